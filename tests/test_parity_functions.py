"""Functions against numbers of the official code: losses, metrics, schedules, tokenizer, transforms, readers.

The cases lie in the parity folders as `<kind>*.safetensors` with a `.json` of the same name; which kinds,
how many cases, which seeds and sizes is read from them.
"""

import json
import os
import random
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from parity import case_files
from PIL import Image
from ranking_toys import rank_matrix
from safetensors.torch import load_file

from model.datasets import DATASETS, available_splits, load_split
from model.datasets.annotations import SPLITS
from model.datasets.identity_sampler import identity_order
from model.evaluation import rank_vectors
from model.losses.cmpm import cmpm_loss
from model.losses.identity import IdentityLoss
from model.losses.itc import itc_loss
from model.losses.sdm import sdm_loss
from model.losses.triplet import triplet_loss
from model.positions import resize_position_grid
from model.text_mask import mask_tokens
from model.training.optimization import OptimizerConfig, build_optimizer
from model.training.schedule import ScheduleConfig, set_learning_rates
from model.transforms import AugmentationConfig, Preprocess, TrainTransform


@cache
def tensors(path):
    return load_file(path.with_suffix(".safetensors"))


def facts(path):
    return json.loads(path.read_text(encoding="utf-8"))


def cases(kind, pattern):
    """One parameter (path, match) per tensor name of the files of a kind that the pattern fits whole."""
    found = []
    for path in case_files(f"{kind}*.json"):
        for name in tensors(path):
            match = re.fullmatch(pattern, name)
            if match:
                found.append(pytest.param(path, match, id=f"{path.stem}:{name}"))
    return found


KINDS = (
    "losses_sdm_id_itc",
    "metrics",
    "pos_embed_resize",
    "schedule",
    "text_mask",
    "tokenizer",
    "transforms",
)


@pytest.mark.parametrize("kind", KINDS)
def test_cases_of_every_kind_were_found(kind):
    """A renamed file or tensor must not turn the tests below into nothing."""
    if "CSKT_PARITY_DIR" in os.environ and not case_files(f"{kind}*.json"):
        pytest.skip(f"the chosen folder has no cases of {kind}")
    files = case_files(f"{kind}*.json")
    assert files
    assert all(tensors(path) for path in files)


def stem(value):
    """A test id."""
    return value.stem if isinstance(value, Path) else str(value)


def close(value, expected, tolerance):
    torch.testing.assert_close(value.detach().reshape(expected.shape), expected, atol=tolerance, rtol=0)


def loss_inputs(path, group):
    stored = tensors(path)
    image, text = (stored[f"{group}.{side}"].clone().requires_grad_() for side in ("image", "text"))
    return image, text, stored[f"{group}.pids"]


def check_gradients(path, prefix, **parameters):
    stored = tensors(path)
    for name, parameter in parameters.items():
        expected = stored.get(f"{prefix}.grad_{name}")
        if expected is not None:
            assert (parameter.grad - expected).abs().max() <= 1e-3 * expected.abs().max() + 1e-7


@pytest.mark.parametrize(("path", "match"), cases("losses", r"(\w+)\.(sdm|itc)\.scale([\d.]+?)"))
def test_contrastive_losses_and_gradients(path, match):
    group, kind, scale = match.groups()
    image, text, identities = loss_inputs(path, group)
    if kind == "sdm":
        loss = sdm_loss(image, text, identities, float(scale))
    else:
        loss = itc_loss(image, text, float(scale))
    loss.backward()
    close(loss, tensors(path)[match[0]], 2e-4)
    check_gradients(path, match[0], image=image, text=text)


@pytest.mark.parametrize(("path", "match"), cases("losses", r"(\w+)\.id"))
def test_identity_loss_and_gradients(path, match):
    image, text, identities = loss_inputs(path, match[1])
    weight, bias = (tensors(path)[f"{match[1]}.cls_{name}"] for name in ("weight", "bias"))
    loss_module = IdentityLoss(weight.shape[1], weight.shape[0])
    loss_module.classifier.load_state_dict({"weight": weight, "bias": bias})
    loss = loss_module(image, text, identities)
    loss.backward()
    close(loss, tensors(path)[match[0]], 2e-4)
    classifier = loss_module.classifier
    check_gradients(path, match[0], image=image, text=text, weight=classifier.weight, bias=classifier.bias)


@pytest.mark.parametrize(("path", "match"), cases("losses", r"(\w+)\.(cmpm|triplet)"))
def test_further_losses(path, match):
    loss = {"cmpm": cmpm_loss, "triplet": triplet_loss}[match[2]](*loss_inputs(path, match[1]))
    close(loss, tensors(path)[match[0]], 2e-4)


def has_ties(similarity):
    return any(len(row.unique()) < len(row) for row in similarity)


def compare_metrics(ranks, stored, prefix):
    """The official figures are float32 percentages, good to 4e-6 of a percent: 1e-6 is of the fraction."""
    cmc = stored[f"{prefix}.cmc"]
    for k, expected in enumerate(cmc.tolist(), start=1):
        assert (ranks.first_match <= k).mean() == pytest.approx(expected / 100, abs=1e-6)
    assert ranks.average_precision.mean() == pytest.approx(float(stored[f"{prefix}.mAP"]) / 100, abs=1e-6)
    assert ranks.inverse_penalty.mean() == pytest.approx(float(stored[f"{prefix}.mINP"]) / 100, abs=1e-6)


@pytest.mark.parametrize(("path", "match"), cases("metrics", r"(\w+)\.sim"))
def test_metrics(path, match):
    stored, group = tensors(path), match[1]
    similarity, query_ids, gallery_ids = (stored[f"{group}.{name}"] for name in ("sim", "q_pids", "g_pids"))
    if has_ties(similarity):
        pytest.skip("the official order of ties is undefined")
    compare_metrics(rank_matrix(similarity, query_ids, gallery_ids), stored, group)
    if f"{group}.i2t.cmc" in stored:
        compare_metrics(rank_matrix(similarity.T, gallery_ids, query_ids), stored, f"{group}.i2t")
    listed = facts(path)["cases"].get(group, {})
    ours = rank_matrix(similarity, query_ids, gallery_ids).metrics()
    names = {"R1": "r1", "R5": "r5", "R10": "r10", "mAP": "mean_ap", "mINP": "mean_inp"}
    for official, name in names.items():
        if official in listed:
            assert getattr(ours, name) / 100 == pytest.approx(listed[official] / 100, abs=1e-6)


@pytest.mark.parametrize(("path", "match"), cases("metrics", r"(\w+)\.q_feats"))
def test_metrics_from_features(path, match):
    stored, group = tensors(path), match[1]
    queries, gallery = (
        torch.nn.functional.normalize(stored[f"{group}.{name}"], dim=1).numpy()
        for name in ("q_feats", "g_feats")
    )
    ranks = rank_vectors(queries, gallery, stored[f"{group}.q_pids"], stored[f"{group}.g_pids"])
    compare_metrics(ranks, stored, group)


@pytest.mark.parametrize(("path", "match"), cases("pos_embed_resize", r"(\w+)\.src"))
def test_position_resize(path, match):
    case = facts(path)[match[1]]
    source, target = (case["grid"], case["grid"]), (case["height"], case["width"])
    resized = resize_position_grid(tensors(path)[match[0]], source, target)
    close(resized, tensors(path)[f"{match[1]}.dst"], 1e-5)


MODES = {
    "cosine": "cosine",
    "linear": "linear",
    "exp": "exponential",
    "poly": "polynomial_released",
    "step": "step",
}


@pytest.mark.parametrize(("path", "match"), cases("schedule", r"(\w+)\.lr"))
def test_schedule_and_groups(path, match):
    case, rates = facts(path)[match[1]], tensors(path)[match[0]]
    given = case["args"]
    schedule = ScheduleConfig(
        mode=MODES[given["lrscheduler"]],
        warmup=given["warmup_epochs"],
        warmup_method=given["warmup_method"],
        warmup_factor=given["warmup_factor"],
        target_lr=given["target_lr"],
        power=given["power"],
        milestones=given["milestones"],
        gamma=given["gamma"],
    )
    named = [(name, torch.nn.Parameter(torch.ones(1))) for name in case["groups"]]
    optimizer = build_optimizer(
        named, OptimizerConfig(learning_rate=case["base_lr"], weight_decay=max(case["weight_decay"]))
    )
    assert [group["base_lr"] for group in optimizer.param_groups] == pytest.approx(
        case["base_lrs"], rel=1e-12
    )
    assert [group["weight_decay"] for group in optimizer.param_groups] == case["weight_decay"]
    assert optimizer.defaults["eps"] == case["defaults"]["eps"]
    assert list(optimizer.defaults["betas"]) == case["defaults"]["betas"]
    for done, expected in enumerate(rates.tolist()):
        set_learning_rates(optimizer, schedule, done, case["num_epoch"])
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(
            expected, rel=1e-9, abs=1e-15
        )


@pytest.mark.parametrize("path", case_files("text_mask*.json"), ids=stem)
def test_text_mask(path):
    stored, seeds = tensors(path), facts(path)["seeds"]
    for row, seed in enumerate(seeds):
        masked, labels = mask_tokens(stored["input_ids"][row], random.Random(seed))
        assert torch.equal(masked, stored["masked_ids"][row])
        assert torch.equal(labels, stored["labels"][row])


@pytest.mark.parametrize("path", case_files("tokenizer*.json"), ids=stem)
def test_tokenizer_ids(path):
    from model.tokenizer import Tokenizer

    stored, case = tensors(path)["ids"], facts(path)
    tokenizer = Tokenizer()
    assert torch.equal(tokenizer.encode(case["captions"]), stored)
    assert [tokenizer.count(caption) - 2 for caption in case["captions"]] == case["raw_lengths"]
    for word, pieces in case["jekyll_variants"].items():
        if isinstance(pieces, list):
            (ids,) = tokenizer.encode([word]).tolist()
            assert ids[1 : 1 + len(pieces)] == pieces


@pytest.mark.parametrize(
    ("path", "match"), cases("transforms", r"(\w+)\.(eval|train_aug|train_noaug)(?:\.s(\d+))?")
)
def test_transforms(path, match):
    case = facts(path)
    image = Image.fromarray(tensors(path)[f"{match[1]}.uint8"].numpy())
    size, mean, std = tuple(case["size"]), tuple(case["mean"]), tuple(case["std"])
    if match[2] == "eval":
        transform = Preprocess(size, mean, std)
    else:
        plain = AugmentationConfig(pad=0, erase=0) if match[2] == "train_noaug" else AugmentationConfig()
        transform = TrainTransform(size, mean, std, plain)
        torch.manual_seed(case["seed_base"] + int(match[3]))
    close(transform(image), tensors(path)[match[0]], 1e-5)


SETS = [(path, title) for path in case_files("datasets*.json") for title in facts(path)["datasets"]]


@pytest.mark.parametrize(("path", "title"), SETS, ids=stem)
def test_readers(path, title, tmp_path):
    case = facts(path)["datasets"][title]
    ((name, layout),) = [known for known in DATASETS.items() if known[1].title == title]
    (tmp_path / title).mkdir()
    (tmp_path / title / case["annotation_file"]).write_text(json.dumps(case["annotations"]))
    for pair in layout.annotations(tmp_path).pairs:
        pair.path.parent.mkdir(parents=True, exist_ok=True)
        pair.path.touch()
    splits = available_splits(name, tmp_path)
    loaded = {split: load_split(name, tmp_path, split).samples if split in splits else [] for split in SPLITS}
    train = loaded["train"]
    listed = [[s.identity, s.image_id, str(s.path.relative_to(tmp_path)), s.caption] for s in train]
    assert listed == case["train"]
    assert len({sample.identity for sample in train}) == case["num_train_ids"]
    for split in ("test", "val"):
        samples = loaded[split]
        images = list({sample.image_id: sample for sample in samples}.values())
        assert [sample.identity for sample in images] == case[split]["image_pids"]
        assert [str(sample.path.relative_to(tmp_path)) for sample in images] == case[split]["img_paths"]
        assert [sample.identity for sample in samples] == case[split]["caption_pids"]
        assert [sample.caption for sample in samples] == case[split]["captions"]


@pytest.mark.parametrize("path", case_files("datasets*.json"), ids=stem)
def test_identity_sampler(path):
    for case in facts(path)["identity_sampler"]:
        order = identity_order(case["pids"], case["batch_size"], case["num_instances"], case["seed"])
        assert np.array_equal(order, case["indices"])
