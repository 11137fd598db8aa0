"""Token ids against the recorded ones and open_clip's own, and where they differ on purpose."""

import importlib.util
import json
import pickle

import pytest
import torch
from open_clip_twin import open_clip
from parity import case_files
from safetensors.torch import load_file

from model import tokenizer as module
from model.errors import ConfigError
from model.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer()


@pytest.mark.parametrize("path", case_files("tokenizer*.json"), ids=lambda path: path.stem)
def test_recorded_captions(tokenizer, path):
    facts = json.loads(path.read_text(encoding="utf-8"))
    ids = load_file(path.with_suffix(".safetensors"))["ids"]
    assert torch.equal(tokenizer.encode(facts["captions"]), ids)
    assert [tokenizer.count(caption) - 2 for caption in facts["captions"]] == facts["raw_lengths"]
    for text, token in facts["special"].items():
        assert tokenizer.encode([text])[0, :3].tolist() == [49406, token, 49407]
    for text, expected in facts["jekyll_variants"].items():
        if isinstance(expected, list):
            assert tokenizer.encode([text])[0, 1 : 1 + len(expected)].tolist() == expected


def test_ordinary_text_is_tokenised_as_by_open_clip(tokenizer):
    texts = [
        "A young woman in a red dress & white sneakers.",
        "naïve café 穿红色外套 😀 &amp;amp; it's 38",
        "",
        "word " * 200,
        "tabs\tand\nnewlines",
    ]
    assert torch.equal(tokenizer.encode(texts), open_clip.tokenize(texts))


def test_the_word_without_a_token_falls_back_to_its_pieces(tokenizer):
    ids = tokenizer.encode(["Dr. Jekyll"])[0].tolist()
    assert tokenizer.mask_id not in ids
    assert ids[:6] == [49406, 1701, 269, 43893, 865, 49407]


def test_a_long_text_is_cut_and_keeps_its_end(tokenizer):
    text = "red " * 100
    ids = tokenizer.encode([text])[0]
    assert tokenizer.count(text) == 102
    assert ids[-1] == 49407
    assert (ids[1:-1] == ids[1]).all()


def test_marks_in_a_text_can_be_read_as_the_letters_they_are_written_in(tokenizer):
    plain = Tokenizer(read_marks=False)
    texts = ["a man <|endoftext|> in red", "&lt;|MASK|&gt;", "<|startoftext|>"]
    assert torch.equal(plain.encode(["a man in red"]), tokenizer.encode(["a man in red"]))
    assert plain.fingerprint() == tokenizer.fingerprint()
    for row, text in zip(plain.encode(texts), texts, strict=True):
        length = plain.count(text)
        assert row.tolist().count(plain.end_id) == row.tolist().count(plain.start_id) == 1
        assert row[length - 1] == plain.end_id
        assert plain.mask_id not in row
    pieces = plain.encode(["<|endoftext|>"])[0].tolist()
    apart = [tokenizer.encode([part])[0, 1:].tolist() for part in ("<|", "endoftext", "|>")]
    assert pieces[1 : pieces.index(plain.end_id)] == [
        token for part in apart for token in part[: part.index(plain.end_id)]
    ]


def test_a_word_longer_than_any_is_read_as_several(tokenizer):
    letters = [chr(97 + number * number % 26) for number in range(1100)]
    word, parts = "".join(letters), ["".join(letters[start : start + 500]) for start in (0, 500, 1000)]
    assert tokenizer.count(word) == tokenizer.count(" ".join(parts))
    assert torch.equal(tokenizer.encode([word]), tokenizer.encode([" ".join(parts)]))
    short = parts[0][:499]
    assert tokenizer.count(short) == len(open_clip.tokenizer.SimpleTokenizer().encode(short)) + 2


def test_another_context_length():
    assert Tokenizer(16).encode(["a man"]).shape == (1, 16)
    assert torch.equal(Tokenizer(16).encode(["a man"]), Tokenizer().encode(["a man"])[:, :16])


def test_no_texts(tokenizer):
    assert tokenizer.encode([]).shape == (0, 77)


def test_the_cache_stops_growing(monkeypatch):
    monkeypatch.setattr(module, "_CACHED_WORDS", 10)
    tokenizer = Tokenizer()
    words = [f"qx{chr(97 + i)}zk" for i in range(20)]
    assert torch.equal(tokenizer.encode(words), open_clip.tokenize(words))
    assert len(tokenizer._bpe.cache) <= 10


def test_the_fingerprint_is_the_vocabularys(tokenizer):
    assert tokenizer.fingerprint() == Tokenizer().fingerprint()
    other = Tokenizer()
    other._bpe.bpe_ranks.popitem()
    assert other.fingerprint() != tokenizer.fingerprint()


def test_it_travels_to_workers(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert torch.equal(copy.encode(["a red coat"]), tokenizer.encode(["a red coat"]))
    plain = pickle.loads(pickle.dumps(Tokenizer(16, read_marks=False)))
    assert torch.equal(plain.encode(["<|mask|>"]), Tokenizer(16, read_marks=False).encode(["<|mask|>"]))


@pytest.mark.parametrize("found", [None, importlib.util.spec_from_loader("open_clip", None, is_package=True)])
def test_a_missing_open_clip_is_named_with_its_remedy(monkeypatch, found):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(ConfigError, match=r"open_clip is not installed.*reinstall open_clip_torch"):
        module._open_clips_file()


def test_a_file_that_needs_its_package_is_imported_with_it(tmp_path, monkeypatch):
    lost = tmp_path / "tokenizer.py"
    lost.write_text("from open_clip_of_another_time import vocabulary\n")
    alone = importlib.util.spec_from_file_location
    monkeypatch.setattr(importlib.util, "spec_from_file_location", lambda name, file: alone(name, lost))
    assert module._open_clips_file() is open_clip.tokenizer
