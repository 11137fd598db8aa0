"""What an export keeps beside an encoder, and when it no longer counts."""

import hashlib
import json
import math

import pytest
import torch
from proven_toys import parity
from safetensors.torch import save

from model.errors import CheckpointError
from model.inference.int8 import HiddenScale, SiteScales
from model.inference.proven import FORMS_FILE, INT8_FILE, read_proven, write_proven

FINGERPRINT = "f00d"
SCALES = {
    "visual.0.qkv": SiteScales(torch.tensor([0.5, 0.25, 1e-3])),
    "textual.1.mlp": SiteScales(torch.tensor([2.0, 3.0]), HiddenScale(0.0123456789012345, 17)),
}


def test_forms_and_scales_come_back_as_they_were_written(tmp_path):
    write_proven(tmp_path, FINGERPRINT, "bfloat16", parity())
    write_proven(tmp_path, FINGERPRINT, "int8", parity(r1=79.75), SCALES)
    proven = read_proven(tmp_path, FINGERPRINT)
    assert proven.forms == {"bfloat16": parity(), "int8": parity(r1=79.75)}
    assert proven.scales.keys() == SCALES.keys()
    for site, scales in SCALES.items():
        assert torch.equal(proven.scales[site].divisor, scales.divisor)
        assert proven.scales[site].hidden == scales.hidden


def test_another_form_of_the_same_encoder_leaves_int8_as_it_is(tmp_path):
    write_proven(tmp_path, FINGERPRINT, "int8", parity(), SCALES)
    write_proven(tmp_path, FINGERPRINT, "bfloat16", parity())
    proven = read_proven(tmp_path, FINGERPRINT)
    assert proven.good == ("int8", "bfloat16")
    assert proven.scales is not None


def test_a_form_that_was_forced_is_there_but_not_good(tmp_path):
    write_proven(tmp_path, FINGERPRINT, "int8", parity(forced=True), SCALES)
    write_proven(tmp_path, FINGERPRINT, "bfloat16", parity())
    proven = read_proven(tmp_path, FINGERPRINT)
    assert proven.good == ("bfloat16",)
    assert proven.forms["int8"].forced
    assert proven.scales is not None


def test_nothing_is_proven_in_an_empty_folder(tmp_path):
    proven = read_proven(tmp_path, FINGERPRINT)
    assert (proven.forms, proven.scales, proven.good) == ({}, None, ())


def test_proofs_of_another_encoder_do_not_count_and_are_replaced(tmp_path):
    write_proven(tmp_path, FINGERPRINT, "bfloat16", parity())
    assert read_proven(tmp_path, "beef").forms == {}
    write_proven(tmp_path, "beef", "float16", parity())
    assert read_proven(tmp_path, "beef").good == ("float16",)
    assert read_proven(tmp_path, FINGERPRINT).forms == {}


@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_scales_that_are_not_those_of_the_proof_do_not_count(tmp_path, damage):
    write_proven(tmp_path, FINGERPRINT, "bfloat16", parity())
    write_proven(tmp_path, FINGERPRINT, "int8", parity(), SCALES)
    path = tmp_path / INT8_FILE
    content = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + (b"" if damage == "cut" else bytes([content[-1] ^ 1])))
    proven = read_proven(tmp_path, FINGERPRINT)
    assert proven.good == ("bfloat16",)
    assert proven.scales is None


def foreign_scales(folder, content):
    """A folder whose forms.json vouches for these scales."""
    write_proven(folder, FINGERPRINT, "int8", parity(), SCALES)
    (folder / INT8_FILE).write_bytes(content)
    forms = json.loads((folder / FORMS_FILE).read_text())
    forms["int8_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / FORMS_FILE).write_text(json.dumps(forms))


UNKNOWN_TYPE = b'{"a.divisor":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[0,1]}}'
OF_UNKNOWN_TYPE = len(UNKNOWN_TYPE).to_bytes(8, "little") + UNKNOWN_TYPE + bytes(1)


@pytest.mark.parametrize("content", [b"", b"no tensors", OF_UNKNOWN_TYPE], ids=["empty", "text", "type"])
def test_scales_that_are_no_tensors_are_one_sentence_with_a_remedy(tmp_path, content):
    foreign_scales(tmp_path, content)
    with pytest.raises(CheckpointError, match=r"int8\.safetensors: not the scales.*run cskt export again"):
        read_proven(tmp_path, FINGERPRINT)


@pytest.mark.parametrize(
    ("divisor", "said"),
    [
        (torch.ones(2, 2), "not a row of floats"),
        (torch.tensor(1.0), "not a row of floats"),
        (torch.ones(2, dtype=torch.int64), "not a row of floats"),
        (torch.tensor([1.0, 0.0]), "not above 0 and finite"),
        (torch.tensor([1.0, -1.0]), "not above 0 and finite"),
        (torch.tensor([1.0, math.inf]), "not above 0 and finite"),
        (torch.tensor([1.0, math.nan]), "not above 0 and finite"),
        (torch.tensor([1.0, 1e-40]), "not above 0 and finite"),  # its inverse is beyond float32
        (torch.tensor([1.0, 1e300], dtype=torch.float64), "not above 0 and finite"),
    ],
)
def test_divisors_that_cannot_divide_are_refused(tmp_path, divisor, said):
    foreign_scales(tmp_path, save({"visual.0.qkv.divisor": divisor}))
    with pytest.raises(CheckpointError, match=rf"visual\.0\.qkv\.divisor.*{said}"):
        read_proven(tmp_path, FINGERPRINT)


@pytest.mark.parametrize(
    ("hidden", "said"),
    [
        ([0.5], "not two floats"),
        ([0.5, 1.0, 2.0], "not two floats"),
        ([[0.5, 1.0]], "not two floats"),
        ([1, 1], "not two floats"),
        ([0.0, 1.0], "step"),
        ([-0.5, 1.0], "step"),
        ([math.inf, 1.0], "step"),
        ([math.nan, 1.0], "step"),
        ([0.5, -1.0], "zero that is no byte"),
        ([0.5, 256.0], "zero that is no byte"),
        ([0.5, 1.5], "zero that is no byte"),
        ([0.5, math.nan], "zero that is no byte"),
    ],
)
def test_hidden_scales_that_are_none_are_refused(tmp_path, hidden, said):
    tensors = {"visual.0.mlp.divisor": torch.ones(2), "visual.0.mlp.hidden": torch.tensor(hidden)}
    foreign_scales(tmp_path, save(tensors))
    with pytest.raises(CheckpointError, match=rf"visual\.0\.mlp\.hidden.*{said}"):
        read_proven(tmp_path, FINGERPRINT)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"forms": {"int4": {}}}'])
def test_a_file_that_cannot_be_read_is_one_sentence_with_a_remedy(tmp_path, content):
    (tmp_path / FORMS_FILE).write_text(content)
    with pytest.raises(CheckpointError, match=r"forms\.json: cannot be read; remove it") as caught:
        read_proven(tmp_path, FINGERPRINT)
    assert "\n" not in str(caught.value)


def test_the_report_is_json_that_others_can_read(tmp_path):
    write_proven(tmp_path, FINGERPRINT, "float16", parity(forced=True))
    kept = json.loads((tmp_path / FORMS_FILE).read_text())
    assert kept["fingerprint"] == FINGERPRINT
    assert kept["forms"]["float16"]["texts"]["p1"] == 0.999
    assert kept["forms"]["float16"]["forced"] is True
