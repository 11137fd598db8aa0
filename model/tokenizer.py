"""Sentences to CLIP's token ids: OpenAI's byte-pair encoding, with a mask token as in the published training.

open_clip's tokenizer does the work. Different from it: id 49405 is `<|mask|>` (there the rare word "jekyll",
which here falls back to its pieces), the literal texts `<|mask|>`, `<|startoftext|>` and `<|endoftext|>` are
that token, unless told otherwise, and a word of more than 500 letters is read as several.

Only that one file of open_clip is loaded, and not as part of its package: the package imports torchvision and
torch's compiler, two seconds and 150 MB that a command which only encodes has no use for. Should the file
ever need its package, the package is imported after all.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from types import ModuleType

import regex  # type: ignore[import-untyped]
import torch

from model.errors import ConfigError
from model.torchvision_shim import ensure_torchvision_imports

MASK_TOKEN, START_TOKEN, END_TOKEN = "<|mask|>", "<|startoftext|>", "<|endoftext|>"
_LONGEST_WORD = 500  # letters; a longer one is read as several, since the encoding takes time by their square
_RUN = f"{{1,{_LONGEST_WORD}}}"
WORDS = rf"'s|'t|'re|'ve|'m|'ll|'d|[\p{{L}}]{_RUN}|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]{_RUN}"
_CACHED_WORDS = 100_000


class _WordCache(dict[str, str]):
    """Keeps the first words only: a service meets ever new ones."""

    def __setitem__(self, word: str, pieces: str) -> None:
        if len(self) < _CACHED_WORDS:
            super().__setitem__(word, pieces)


def _open_clips_file() -> ModuleType:
    """open_clip's tokenizer.py, alone if it can be. Raises ConfigError where open_clip is not installed."""
    package = importlib.util.find_spec("open_clip")
    if package is None or package.origin is None:  # no origin: a folder that a removed package has left
        raise ConfigError(
            "open_clip is not installed, and no text is read without it: reinstall open_clip_torch "
            "(pip install --force-reinstall open_clip_torch)."
        )
    file = Path(package.origin).with_name("tokenizer.py")
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ImportError, OSError):
        ensure_torchvision_imports()
        import open_clip.tokenizer

        return open_clip.tokenizer  # type: ignore[no-any-return]
    return module


_READY_MADE = _open_clips_file()._tokenizer


class Tokenizer:
    """Callable from any thread; `context_length` tokens per text, zeros behind the end token.

    With `read_marks` False the literal texts of the three marks are the letters and signs they are written
    in. So a user's sentence is read, in which an end mark would cut off everything behind it.
    """

    def __init__(self, context_length: int = 77, read_marks: bool = True) -> None:
        self.context_length, self._read_marks = context_length, read_marks
        self._bpe = copy(_READY_MADE)
        self._bpe.encoder, self._bpe.bpe_ranks = dict(_READY_MADE.encoder), dict(_READY_MADE.bpe_ranks)
        last_merge, _ = self._bpe.bpe_ranks.popitem()
        self.mask_id = self._bpe.encoder.pop("".join(last_merge))
        self.start_id, self.end_id = self._bpe.sot_token_id, self._bpe.eot_token_id
        self._specials = {MASK_TOKEN: self.mask_id, START_TOKEN: self.start_id, END_TOKEN: self.end_id}
        self._bpe.encoder.update(self._specials)
        self._bpe.cache = _WordCache({token: token for token in self._specials})
        literals = [regex.escape(token) for token in self._specials] if read_marks else []
        self._bpe.pat = regex.compile("|".join([*literals, WORDS]), regex.IGNORECASE)

    def __reduce__(self) -> tuple[type["Tokenizer"], tuple[int, bool]]:
        """Copies and other processes build their own: classes of a file loaded alone do not travel."""
        return Tokenizer, (self.context_length, self._read_marks)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts -> int64 ids (texts, context_length): start, words, end, zeros.

        A longer text is cut, its last position then holding the end token.
        """
        ids = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text in enumerate(texts):
            tokens = self._tokens(text)
            if len(tokens) > self.context_length:
                tokens = [*tokens[: self.context_length - 1], self.end_id]
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return ids

    def count(self, text: str) -> int:
        """How many tokens `text` has before any cut, start and end included."""
        return len(self._tokens(text))

    def vocabulary(self) -> dict[str, int]:
        """Token to id, in the order of the ids; each id under one name."""
        names = {index: token for token, index in self._bpe.encoder.items()}
        return {names[index]: index for index in sorted(names)}

    def merges(self) -> list[tuple[str, str]]:
        """The pairs that are joined, most urgent first."""
        return sorted(self._bpe.bpe_ranks, key=lambda pair: self._bpe.bpe_ranks[pair])

    def fingerprint(self) -> str:
        """A digest of the vocabulary and the merges: the same text gives the same ids where it is the
        same."""
        digest = hashlib.sha256()
        tokens = sorted((index, token) for token, index in self._bpe.encoder.items())
        digest.update("".join(f"{index} {token}\n" for index, token in tokens).encode())
        merges = self._bpe.bpe_ranks.items()
        digest.update("".join(f"{rank} {' '.join(pair)}\n" for pair, rank in merges).encode())
        return digest.hexdigest()

    def _tokens(self, text: str) -> list[int]:
        return [self.start_id, *self._bpe.encode(text), self.end_id]
