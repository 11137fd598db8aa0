"""What an export keeps beside an encoder, and when it no longer counts."""

import json

import pytest
import torch
from proven_toys import parity

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
