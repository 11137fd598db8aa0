"""One recorded case run through: a forward and backward pass with the seams noted, then three steps."""

from dataclasses import dataclass

import torch
from parity import ModelCase, fill_rule

from model.adapters.adapter import TowerAdapter
from model.encoder import Features, PersonEncoder
from model.losses.cmpm import cmpm_loss
from model.losses.identity import IdentityLoss
from model.losses.itc import itc_loss
from model.losses.sdm import sdm_loss
from model.losses.triplet import triplet_loss
from model.released_weights import DM_ADAPTER_UNUSED, official_name
from model.training.optimization import OptimizerConfig, build_optimizer


class Witness(TowerAdapter):
    """Notes what passes through the seams of one tower."""

    def __init__(self, seams):
        self.seams, self.streams, self.beside, self.balance = seams, [], [], []

    def extend(self, tokens):
        return self.seams.extend(tokens)

    def before_block(self, index, x):
        self.streams.append(x.detach())  # what block index - 1 gave
        return self.seams.before_block(index, x)

    def beside_mlp(self, index, x):
        added, load = self.seams.beside_mlp(index, x)
        self.beside.append(added.detach() / self.seams.scale)
        if load is not None:
            self.balance.append(load.balance)
        return added, load


@dataclass
class Run:
    """What one case did: a forward and backward pass, then three optimizer steps."""

    case: ModelCase
    encoder: PersonEncoder
    features: Features
    towers: dict[str, Witness]
    tokens: dict[str, torch.Tensor]
    projected: dict[str, torch.Tensor]
    routings: dict[str, list]
    checksums: dict[str, tuple[float, ...]]
    losses: dict[str, torch.Tensor]
    all_losses: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor | None]
    groups: list[list]
    totals: list[float]
    eval_features: Features


def parameters(run_or_encoder):
    """The trainable tensors by official name."""
    return {official_name(name): value for name, value in run_or_encoder.trainable_parameters()}


def used(case, key):
    """A list of the JSON or rows of a tensor, without the official parameters that nothing reads."""
    rows = case.facts[key] if key in case.facts else case.tensors[key].tolist()
    return [
        row for name, row in zip(case.facts["trainable"], rows, strict=True) if name not in DM_ADAPTER_UNUSED
    ]


def losses_of(case, features, names):
    """Every named loss the project offers, and the identity classifier's accuracies."""
    image, text, identities = features.image, features.text, case.tensors["in.pids"]
    scale = 1 / case.facts["temperature"]
    computed = {}
    for name in names:
        if name == "sdm":
            computed["sdm_loss"] = sdm_loss(image, text, identities, scale)
        elif name == "itc":
            computed["itc_loss"] = itc_loss(image, text, scale)
        elif name == "cmpm":
            computed["cmpm_loss"] = cmpm_loss(image, text, identities)
        elif name == "triplet":
            # The recorded numbers are those of pairs (every image its own), which DM-Adapter halves.
            weight = 1.0 if case.is_cskt else 0.5
            computed["triplet_loss"] = weight * triplet_loss(image, text, torch.arange(len(image)))
        elif name == "aux":
            computed["aux_loss"] = case.facts["aux_weight"] * features.auxiliary
        elif name == "id":
            identity = IdentityLoss(image.shape[1], case.facts["num_classes"])
            for part, parameter in identity.classifier.named_parameters():
                value = fill_rule().fill(f"classifier.{part}", tuple(parameter.shape), case.facts["seed"])
                parameter.data.copy_(torch.from_numpy(value))
            computed["id_loss"] = identity(image, text, identities)
            computed["img_acc"], computed["txt_acc"] = map(
                torch.tensor, identity.accuracy(image, text, identities)
            )
    return computed


def witnessed_forward(case, encoder):
    """The forward pass with the seams, the last tokens and (DM-Adapter) the routings noted."""
    adapter, towers, tokens, routings = encoder.adapter, {}, {}, {"visual": [], "text": []}

    def witness(tower, lend):
        def lend_witnessed():
            towers[tower] = Witness(lend())
            return towers[tower]

        return lend_witnessed

    def note_routing(tower, route):
        def noted(*arguments):
            routings[tower].append(route(*arguments))
            return routings[tower][-1]

        return noted

    for tower, seams, blocks in (("visual", "vision_tower", "vision"), ("text", "text_tower", "text")):
        setattr(adapter, seams, witness(tower, getattr(adapter, seams)))
        if not case.is_cskt:
            for block in getattr(adapter, blocks):
                block.mixture.route = note_routing(tower, block.mixture.route)
    hooks = [
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: tokens.update({name: output[0]})
        )
        for name, module in (("visual", encoder.visual), ("text", encoder.text))
    ]
    features = encoder(case.images(), case.tensors["in.token_ids"])
    for hook in hooks:
        hook.remove()
    for seams in ("vision_tower", "text_tower"):
        delattr(adapter, seams)
    if not case.is_cskt:
        for block in (*adapter.vision, *adapter.text):
            del block.mixture.route
    return features, towers, {name: value.detach() for name, value in tokens.items()}, routings


def optimize(case, encoder, first_total):
    """Three optimizer steps on the same batch; the groups, and the total loss before each step.

    The first step takes the gradients that are there already, those of `first_total`.
    """
    plain = next(
        group for group in case.facts["param_groups"] if group[2] > 0 and group[0].endswith("weight")
    )
    optimizer = build_optimizer(
        encoder.trainable_parameters(), OptimizerConfig(learning_rate=plain[1], weight_decay=plain[2])
    )
    groups = [[official_name(g["name"]), g["lr"], g["weight_decay"]] for g in optimizer.param_groups]
    totals = [first_total]
    for step, rate in enumerate(case.tensors["opt.lr"].tolist()):
        if step > 0:
            features = encoder(case.images(), case.tensors["in.token_ids"])
            total = sum(losses_of(case, features, case.facts["loss_names"].split("+")).values())
            totals.append(total.item())
            optimizer.zero_grad(set_to_none=True)
            total.backward()
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate / plain[1]
        optimizer.step()
    return groups, totals


def run_of(case):
    """All passes of one case."""
    encoder = case.encoder()
    sums = {
        official_name(name): fill_rule().checksum(value.numpy())
        for name, value in encoder.state_dict().items()
        if official_name(name) in case.facts["param_checksums"]
    }
    with torch.no_grad():
        eval_features = encoder.eval()(case.images(), case.tensors["in.token_ids"])
    features, towers, tokens, routings = witnessed_forward(case, encoder.train())
    losses = losses_of(case, features, case.facts["loss_names"].split("+"))
    with torch.no_grad():
        projected = {tower: getattr(encoder, tower).project(stream) for tower, stream in tokens.items()}
        all_losses = losses_of(case, features, case.facts.get("all_loss_names", "").split("+"))
    total = sum(losses.values())
    total.backward()
    gradients = {
        name: None if value.grad is None else value.grad.clone()
        for name, value in parameters(encoder).items()
    }
    groups, totals = optimize(case, encoder, total.item())
    return Run(
        case=case,
        encoder=encoder,
        features=features,
        towers=towers,
        tokens=tokens,
        projected=projected,
        routings=routings,
        checksums=sums,
        losses=losses,
        all_losses=all_losses,
        gradients=gradients,
        groups=groups,
        totals=totals,
        eval_features=eval_features,
    )
