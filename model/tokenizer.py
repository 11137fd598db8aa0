"""Sentences to CLIP's token ids: OpenAI's byte-pair encoding, with a mask token as in the published training.

open_clip's tokenizer does the work. Different from it: id 49405 is `<|mask|>` (there the rare word "jekyll",
which here falls back to its pieces), and the literal texts `<|mask|>`, `<|startoftext|>` and `<|endoftext|>`
are that token.
"""

import hashlib
from collections.abc import Sequence

import regex  # type: ignore[import-untyped]
import torch

from model.torchvision_shim import ensure_torchvision_imports

ensure_torchvision_imports()

from open_clip.tokenizer import SimpleTokenizer  # noqa: E402  (the shim must come first)

MASK_TOKEN, START_TOKEN, END_TOKEN = "<|mask|>", "<|startoftext|>", "<|endoftext|>"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_CACHED_WORDS = 100_000


class _WordCache(dict[str, str]):
    """Keeps the first words only: a service meets ever new ones."""

    def __setitem__(self, word: str, pieces: str) -> None:
        if len(self) < _CACHED_WORDS:
            super().__setitem__(word, pieces)


class Tokenizer:
    """Callable from any thread; `context_length` tokens per text, zeros behind the end token."""

    def __init__(self, context_length: int = 77) -> None:
        self.context_length = context_length
        self._bpe = SimpleTokenizer(context_length=context_length)
        last_merge = max(self._bpe.bpe_ranks, key=lambda pair: self._bpe.bpe_ranks[pair])
        del self._bpe.bpe_ranks[last_merge]
        self.mask_id = self._bpe.encoder.pop("".join(last_merge))
        self.start_id, self.end_id = self._bpe.sot_token_id, self._bpe.eot_token_id
        self._specials = {MASK_TOKEN: self.mask_id, START_TOKEN: self.start_id, END_TOKEN: self.end_id}
        self._bpe.encoder.update(self._specials)
        self._bpe.cache = _WordCache({token: token for token in self._specials})
        literals = "|".join(regex.escape(token) for token in self._specials)
        self._bpe.pat = regex.compile(f"{literals}|{WORDS}", regex.IGNORECASE)

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
        for token, index in sorted(self._bpe.encoder.items(), key=lambda item: (item[1], item[0])):
            digest.update(f"{index} {token}\n".encode())
        for pair, rank in self._bpe.bpe_ranks.items():
            digest.update(f"{rank} {' '.join(pair)}\n".encode())
        return digest.hexdigest()

    def _tokens(self, text: str) -> list[int]:
        return [self.start_id, *self._bpe.encode(text), self.end_id]
