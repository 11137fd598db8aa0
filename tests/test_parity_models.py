"""The official models' recorded forward passes, losses, gradients and optimizer steps, case by case."""

import re
from dataclasses import dataclass

import pytest
import torch
from parity import ModelCase, fill_rule, model_cases

from model.adapters.adapter import TowerAdapter
from model.adapters.cskt import placeholder_ids
from model.encoder import Features, PersonEncoder
from model.losses.cmpm import cmpm_loss
from model.losses.identity import IdentityLoss
from model.losses.itc import itc_loss
from model.losses.sdm import sdm_loss
from model.losses.triplet import triplet_loss
from model.released_weights import DM_ADAPTER_UNUSED, official_name
from model.training.optimization import OptimizerConfig, build_optimizer

CASES = [
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.is_large else [])
    for case in model_cases()
]
every_case = pytest.mark.parametrize("run", CASES, indirect=True)
NOT_OFFERED = {"imkt_loss", "triplet_enhance_loss", "mlm_loss"}
NO_LOSS = {"temperature", "total"}


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


@pytest.fixture(scope="module")
def run(request):
    """All passes of one case, shared by the checks below."""
    case = request.param
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


def close(value, expected, tolerance=1e-4):
    torch.testing.assert_close(value.detach().reshape(expected.shape), expected, atol=tolerance, rtol=0)


def test_cases_were_found():
    assert CASES, "no model case in the parity folders"


@every_case
def test_parameters(run):
    facts = run.case.facts
    shapes = {official_name(name): list(value.shape) for name, value in run.encoder.state_dict().items()}
    unused = {name: shape for name, shape in facts["params"].items() if name in DM_ADAPTER_UNUSED}
    assert shapes | unused == facts["params"]
    assert list(parameters(run.encoder)) == [n for n in facts["trainable"] if n not in DM_ADAPTER_UNUSED]
    never_read = sum(torch.Size(shape).numel() for shape in unused.values())
    trained = sum(value.numel() for value in parameters(run.encoder).values())
    assert trained + never_read == facts["n_trainable"]
    assert sum(value.numel() for value in run.encoder.parameters()) + never_read == facts["n_total"]
    for name, (total, absolute, squares) in facts["param_checksums"].items():
        if name in run.checksums:
            tolerance = 1e-5 * absolute
            assert run.checksums[name] == pytest.approx((total, absolute, squares), abs=tolerance), name
    assert set(facts["param_checksums"]) - set(run.checksums) <= set(DM_ADAPTER_UNUSED)


@every_case
def test_features(run):
    stored = run.case.tensors
    for features in (run.features, run.eval_features):
        close(features.image, stored["out.image_features"])
        close(features.text, stored["out.text_features"])
    if "out.image_tokens" in stored:
        close(run.case.kept(run.projected["visual"]), stored["out.image_tokens"])
        close(run.case.kept(run.projected["text"]), stored["out.text_tokens"])


@every_case
def test_activations(run):
    kept = run.case.kept
    checked = 0
    for name, expected in run.case.tensors.items():
        if not (found := re.fullmatch(r"act\.(visual|text)\.block(\d+)\.(\w+)", name)):
            continue
        tower, block, what = found[1], int(found[2]), found[3]
        streams = [*run.towers[tower].streams[1:], run.tokens[tower]]
        if what == "out":
            close(kept(streams[block]), expected)
        elif what in ("adapter_out", "moe_out"):
            close(kept(run.towers[tower].beside[block]), expected)
        elif what == "gate_logits":
            close(kept(run.routings[tower][block].logits), expected)
        elif what == "selected":
            assert torch.equal(kept(run.routings[tower][block].selected), expected)
        else:
            assert what == "expert_fraction"
            selected = run.routings[tower][block].selected
            picked = (
                torch.nn.functional.one_hot(selected, len(expected)).float().sum(-2).flatten(0, 1).mean(0)
            )
            close(picked, expected)
        checked += 1
    assert checked


@every_case
def test_prompts(run):
    stored, facts = run.case.tensors, run.case.facts
    if not run.case.is_cskt:
        assert run.tokens["text"].shape[1] == facts["clip_cfg"]["context_length"]
        return
    ids = stored["in.token_ids"].clone()
    placed = run.encoder.adapter.caption_ids(ids)
    assert torch.equal(placed, stored["out.token_ids_with_prompts"])
    assert torch.equal(placed.argmax(dim=1), stored["out.eot_index"])
    assert torch.equal(ids, stored["in.token_ids"]), "the caption was changed in place"
    assert list(placeholder_ids(facts["n_ctx"])) == facts["prompt_token_ids"]
    for name, expected in stored.items():
        if found := re.fullmatch(r"prompt\.(visual|text)_layer(\d+)", name):
            close(run.towers[found[1]].seams.levels[int(found[2])], expected)


@every_case
def test_balance_loss(run):
    stored = run.case.tensors
    if run.case.is_cskt:
        assert run.features.auxiliary.item() == 0
        return
    for tower in ("visual", "text"):
        close(torch.stack(run.towers[tower].balance).sum(), stored[f"out.l_aux_{tower}"])
        close(torch.stack(run.towers[tower].balance), stored[f"out.l_aux_per_layer.{tower}"])
    close(run.features.auxiliary, stored["out.l_aux_visual"] + stored["out.l_aux_text"])


@every_case
def test_losses(run):
    stored = run.case.tensors
    close(sum(run.losses.values()), stored["loss.total"], 2e-4)
    for prefix, computed in (("loss.", run.losses), ("all.", run.all_losses)):
        recorded = {name.removeprefix(prefix) for name in stored if name.startswith(prefix)}
        assert set(computed) == recorded - NO_LOSS - NOT_OFFERED
        for name, value in computed.items():
            close(value, stored[prefix + name], 2e-4)


@every_case
def test_gradients(run):
    norms = used(run.case, "grad.norm")
    assert run.case.facts["grad_names"] == run.case.facts["trainable"]
    for (name, gradient), expected in zip(run.gradients.items(), norms, strict=True):
        assert (gradient is None) == (name in run.case.facts["grad_none"]), name
        norm = 0.0 if gradient is None else float(gradient.double().norm())
        assert norm == pytest.approx(expected, rel=1e-3, abs=1e-7 if expected else 0), name
    for name, expected in run.case.tensors.items():
        if name.startswith("grad.full."):
            gradient = run.gradients[name.removeprefix("grad.full.")]
            assert (gradient.reshape(expected.shape) - expected).abs().max() <= 1e-3 * expected.abs().max(), (
                name
            )


@every_case
def test_optimizer(run):
    stored = run.case.tensors
    expected_groups = used(run.case, "param_groups")
    assert [group[0] for group in run.groups] == [group[0] for group in expected_groups]
    for (name, *rates), (_, *expected) in zip(run.groups, expected_groups, strict=True):
        assert rates == pytest.approx(expected), name
    assert run.totals == pytest.approx(stored["opt.total_loss"].tolist(), abs=2e-4)
    after = parameters(run.encoder)
    for (name, value), norm in zip(after.items(), used(run.case, "opt.param_norm_after"), strict=True):
        assert float(value.detach().double().norm()) == pytest.approx(norm, rel=1e-5), name
    for name, expected in stored.items():
        if name.startswith("opt.after."):
            close(after[name.removeprefix("opt.after.")], expected, 1e-5)
    if "opt.image_features_after" in stored:
        with torch.no_grad():
            features = run.encoder(run.case.images(), stored["in.token_ids"])
        close(features.image, stored["opt.image_features_after"])
        close(features.text, stored["opt.text_features_after"])
