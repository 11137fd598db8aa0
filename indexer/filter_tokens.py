"""The words, signs and quoted texts of filters as people write them."""

import json
import re
from dataclasses import dataclass

RESERVED = frozenset({"and", "or", "not", "in", "exists"})

_WORD = r"""[^\s"'=!<>(),](?:[^\s=!<>(),]|!(?!=))*"""
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    rf"""|(?P<sign><=|>=|!=|[=<>(),])|(?P<word>{_WORD})|(?P<end>\Z)|(?P<wrong>\S))""",
    re.DOTALL,
)
_INSIDE_SINGLE = re.compile(r'\\.|"', re.DOTALL)


@dataclass(frozen=True)
class Token:
    """A piece of the text. `kind`: quoted, sign, word, end, or wrong for what is none of them."""

    kind: str
    text: str
    position: int
    behind: int

    def means(self, word: str) -> bool:
        """Whether it is that sign, or that reserved word in letters of any size."""
        return self.kind in ("sign", "word") and self.text.lower() == word

    @property
    def reserved(self) -> bool:
        """Whether it is a word of the language itself."""
        return self.kind == "word" and self.text.lower() in RESERVED


def token_at(text: str, start: int) -> Token:
    """The token that begins at `start` or behind the white space there."""
    found = _TOKEN.match(text, start)
    assert found is not None  # some group takes any character
    kind = str(found.lastgroup)
    return Token(kind, found[kind], found.start(kind), found.end())


def unquoted(quoted: str) -> str:
    """What "..." or '...' says; ValueError if a backslash in it is no escape of JSON."""
    if quoted.startswith("'"):
        inside = _INSIDE_SINGLE.sub(lambda found: _AS_DOUBLE.get(found[0], found[0]), quoted[1:-1])
        quoted = f'"{inside}"'
    return str(json.loads(quoted, strict=False))


_AS_DOUBLE = {r"\'": "'", '"': r"\""}


def written(text: str, quote: bool = False) -> str:
    """The text as a word if it is one, else in quotes; on one line, all of it visible."""
    if not text.isprintable():
        return json.dumps(text)
    if not quote and re.fullmatch(_WORD, text) and text.lower() not in RESERVED:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
