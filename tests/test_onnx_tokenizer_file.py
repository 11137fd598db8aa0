"""tokenizer.json, read by the `tokenizers` library, against our own tokenizer."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library

from model.onnx.tokenizer_file import tokenizer_files
from model.people.cameras import NEUTRAL
from model.people.captions import describe
from model.people.looks import sample_look
from model.people.render import render_view
from model.people.shapes import sample_shape
from model.tokenizer import Tokenizer

OURS = Tokenizer()
FILES = tokenizer_files(OURS)
THEIRS = Library.from_str(FILES["tokenizer.json"].decode())
PLAIN = [
    "A young woman in a red dress & white sneakers, carrying 2 bags (38 cm).",
    "He's 45; they've said: \"don't\" -- I'LL, we'd, rock'n'roll... !!! #1 $5 50% a/b a_b",
    "It’s a “red” coat",
    "naïve café, e\u0301tude, Straße, İstanbul, Żółć",
    "Мужчина в красной куртке",
    "γυναίκα με κόκκινο παλτό",
    "穿红色外套的女人 赤いコート 한국어 빨간 옷",
    "امرأة ترتدي معطفا ١٢٣ אישה במעיל हिन्दी कपड़े ไทย",
    "😀👩‍🦰🏃🏽 ½ ²",
    " tabs\tand\nnewlines\u00a0here  ",
    "",
    "jekyll and Dr. Jekyll",
    "a <|mask|> coat with <|MASK|> shoes",
    "x" * 300,
]


def library_ids(texts):
    return [encoding.ids for encoding in THEIRS.encode_batch(texts)]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_of_any_script_gets_our_ids(text):
    (ids,) = library_ids([text])
    ours = OURS.encode([text])[0].tolist()
    assert ids == ours[: len(ids)]
    assert not any(ours[len(ids) :])


def test_captions_in_a_batch_are_padded_to_the_longest_and_cut_as_ours():
    texts = ["a man", "a woman in a long red coat", "word " * 200]
    np.testing.assert_array_equal(library_ids(texts), OURS.encode(texts).numpy())
    assert np.shape(library_ids(texts[:2])) == (2, 9)


def test_generated_captions_get_our_ids():
    texts = []
    for seed in range(4):
        shape = sample_shape(np.random.default_rng(seed), "base")
        look = sample_look(np.random.default_rng(seed), shape, "base")
        view = render_view(shape, np.random.default_rng(seed), 96, 48, camera=NEUTRAL)
        texts += [describe(shape, look, view, np.random.default_rng(each), "base") for each in range(100)]
    assert len(set(texts)) > 300
    ids = np.array(library_ids(texts))
    np.testing.assert_array_equal(ids, OURS.encode(texts)[:, : ids.shape[1]].numpy())


@given(
    st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="&"), max_size=60)
)
def test_any_printable_ascii_gets_our_ids(text):
    (ids,) = library_ids([text])
    assert ids == OURS.encode([text])[0, : len(ids)].tolist()


def test_the_padding_token_is_the_one_our_ids_are_padded_with():
    config = json.loads(FILES["tokenizer_config.json"])
    assert THEIRS.token_to_id(config["pad_token"]) == 0
    assert THEIRS.token_to_id("<|mask|>") == OURS.mask_id
    assert THEIRS.get_vocab_size() == 49408
