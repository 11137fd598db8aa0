"""The official models' recorded forward passes, losses, gradients and optimizer steps, case by case."""

import re

import pytest
import torch
from parity import model_cases
from parity_runs import parameters, run_of, used

from model.adapters.cskt import placeholder_ids
from model.released_weights import DM_ADAPTER_UNUSED, official_name

CASES = [
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.is_large else [])
    for case in model_cases()
]

every_case = pytest.mark.parametrize("run", CASES, indirect=True)

NOT_OFFERED = {"imkt_loss", "triplet_enhance_loss", "mlm_loss"}

NO_LOSS = {"temperature", "total"}


@pytest.fixture(scope="module")
def run(request):
    """All passes of one case, shared by the checks below."""
    return run_of(request.param)


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
