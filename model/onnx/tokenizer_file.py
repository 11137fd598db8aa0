"""Our tokenizer in the format of the `tokenizers` library: tokenizer.json and what stands beside it.

Plain captions get the same ids. What the format cannot say: of ftfy's repairs it makes two, straight quotes
and composed characters (not: full-width letters, ligatures, text decoded wrongly), it reads no HTML
entities, and a capital sigma at a word's end becomes the middle one. The literal `<|mask|>` is found right
behind punctuation as well, where ours reads signs. The three marks are always read as marks, also where an
Embedder reads letters.
"""

import json
from typing import Any

from model.tokenizer import END_TOKEN, MASK_TOKEN, START_TOKEN, WORDS, Tokenizer

PAD_TOKEN = "!"
"""Of id 0, which our own ids are padded with; what stands behind an end token is not read."""


def tokenizer_files(tokenizer: Tokenizer) -> dict[str, bytes]:
    """The files' contents by name."""
    special = {
        "bos_token": START_TOKEN,
        "eos_token": END_TOKEN,
        "unk_token": END_TOKEN,
        "pad_token": PAD_TOKEN,
    }
    config = {
        **special,
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": tokenizer.context_length,
        "do_lower_case": True,
        "add_prefix_space": False,
    }
    contents = {
        "tokenizer.json": _description(tokenizer),
        "tokenizer_config.json": config,
        "special_tokens_map.json": special,
    }
    return {name: as_json(value) for name, value in contents.items()}


def as_json(value: dict[str, Any]) -> bytes:
    """Readable JSON, UTF-8."""
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _description(tokenizer: Tokenizer) -> dict[str, Any]:
    specials = {MASK_TOKEN: tokenizer.mask_id, START_TOKEN: tokenizer.start_id, END_TOKEN: tokenizer.end_id}
    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": tokenizer.context_length,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": {
            "strategy": "BatchLongest",
            "direction": "Right",
            "pad_to_multiple_of": None,
            "pad_id": 0,
            "pad_type_id": 0,
            "pad_token": PAD_TOKEN,
        },
        "added_tokens": [_special(token, index) for token, index in specials.items()],
        "normalizer": _normalizer(),
        "pre_tokenizer": _pre_tokenizer(),
        "post_processor": _ends(tokenizer),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": _byte_pairs(tokenizer),
    }


def _special(token: str, index: int) -> dict[str, Any]:
    """Found behind the normaliser, as ours finds it in lower-cased text."""
    return {
        "id": index,
        "content": token,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": True,
        "special": True,
    }


def _normalizer() -> dict[str, Any]:
    return {
        "type": "Sequence",
        "normalizers": [
            _replaced("[\u02bc\u2018-\u201b]", "'"),
            _replaced("[\u201c-\u201f]", '"'),
            {"type": "NFC"},
            {"type": "Lowercase"},
        ],
    }


def _replaced(pattern: str, by: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": by}


def _pre_tokenizer() -> dict[str, Any]:
    split = {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Removed", "invert": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"type": "Sequence", "pretokenizers": [split, level]}


def _ends(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "type": "RobertaProcessing",
        "sep": [END_TOKEN, tokenizer.end_id],
        "cls": [START_TOKEN, tokenizer.start_id],
        "trim_offsets": False,
        "add_prefix_space": False,
    }


def _byte_pairs(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": END_TOKEN,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "</w>",
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": tokenizer.vocabulary(),
        "merges": [list(pair) for pair in tokenizer.merges()],
    }
