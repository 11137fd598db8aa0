"""Filters as people write them: `coat = red and (bag exists or colour not in (red, "dark blue"))`.

    filter     conditions joined by `and` and `or`, of which `and` binds closer; `not` before one; parentheses
    condition  NAME = VALUE, also != < <= > >=; NAME in (VALUE, ...) or not in; NAME exists or not exists
    NAME       id, source, camera, track, seen_at; any other word is an attribute, and so is a name in
               quotes or behind `attributes.`
    VALUE      a word, or a text in "..." or '...' with the escapes of JSON

`!=`, `not in` and `not exists` also let rows through that have no such field. A value is a text, which also
stands for the number or truth value that it spells; below and above a number there are numbers only. Times
may be anything that `indexer.times` reads. One condition without quotes whose texts hold spaces, `name=dark
blue`, is understood as well.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, get_args

from indexer.errors import FilterError
from indexer.filter_tokens import RESERVED, Token, token_at, unquoted, written
from indexer.filters import (
    ATTRIBUTE,
    MAX_DEPTH,
    OWN_FIELDS,
    AllOf,
    AnyOf,
    Compare,
    Exists,
    Filter,
    Not,
    OneOf,
    Operator,
)
from indexer.times import to_utc

if TYPE_CHECKING:
    from indexer.items import AttributeValue

MAX_CHARACTERS = 4000

_COMPARISONS = {sign: sign for sign in get_args(Operator)}
_NO_ROW = OneOf("id", ())
_LONGEST_SHOWN = 40


def parse_filter(text: str) -> Filter:
    """The Filter that the text says. FilterError names the place and what was expected there."""
    if len(text) > MAX_CHARACTERS:
        raise FilterError(f"the filter has {len(text)} characters; it may have {MAX_CHARACTERS}.")
    try:
        return _Parser(text).parse()
    except FilterError:
        plain = _one_plain_condition(text)
        if plain is None:
            raise
        return plain


def _one_plain_condition(text: str) -> Filter | None:
    """NAME=VALUE with spaces in them, where nothing says that more was meant."""
    name, _, value = (part.strip() for part in text.partition("="))
    if not name or not value or set(name) & set("\"'!<>(),") or value[0] in "\"'=!<>(),":
        return None
    if value.count("(") != value.count(")"):
        return None
    words = text.lower().replace("=", " ").split()
    if not RESERVED.isdisjoint(words) or (len(value.split()) > 1 and set(value) & set('"=<>()')):
        return None
    try:
        return OneOf(_field(name), (to_utc(value) if name == "seen_at" else value,))
    except ValueError:
        return None


def _field(name: str) -> str:
    return name if name in OWN_FIELDS or name.startswith(ATTRIBUTE) else ATTRIBUTE + name


class _Parser:
    """One pass over the tokens, one of them looked at ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._next = token_at(text, 0)

    def parse(self) -> Filter:
        where = self._joined()
        if self._next.kind != "end":
            self._fail("and, or, or the end (put a text with spaces in quotes)")
        return where

    def _take(self) -> Token:
        taken = self._next
        self._next = token_at(self._text, taken.behind)
        return taken

    def _took(self, word: str) -> bool:
        if not self._next.means(word):
            return False
        self._take()
        return True

    def _fail(self, expected: str, found: Token | None = None) -> NoReturn:
        token = found or self._next
        shown = token.text[:_LONGEST_SHOWN] + "..." * (len(token.text) > _LONGEST_SHOWN)
        there = {"end": "it ends there", "wrong": f"there is a single {shown!r}"}.get(
            token.kind, f"there is {shown!r}"
        )
        place = f"at character {token.position + 1}"
        raise FilterError(f"the filter cannot be read {place}: {expected} was expected, but {there}.")

    def _joined(self) -> Filter:
        return self._several("or", AnyOf, lambda: self._several("and", AllOf, self._single))

    def _several(
        self, word: str, join: Callable[[tuple[Filter, ...]], Filter], part: Callable[[], Filter]
    ) -> Filter:
        parts = [part()]
        while self._took(word):
            parts.append(part())
        return self._made(lambda: join(tuple(parts))) if len(parts) > 1 else parts[0]

    def _single(self) -> Filter:
        opening = self._next
        if not (opening.means("not") or opening.means("(")):
            return self._condition()
        self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep()
        if opening.means("not"):
            part = self._single()
            where = self._made(lambda: Not(part))
        else:
            where = self._joined()
            if not self._took(")"):
                self._fail("and, or, or a closing parenthesis (put a text with spaces in quotes)")
        self._depth -= 1
        return where

    def _condition(self) -> Filter:
        field = self._name()
        negative = self._took("not")
        condition: Filter
        if self._took("exists"):
            condition = Exists(field)
        elif self._took("in"):
            condition = OneOf(field, self._list(field))
        elif not negative and self._next.kind == "sign" and self._next.text in (*_COMPARISONS, "=", "!="):
            sign = self._take().text
            value = self._value(field)
            condition = (
                Compare(field, _COMPARISONS[sign], value) if sign in _COMPARISONS else OneOf(field, (value,))
            )
            negative = sign == "!="
        else:
            self._fail("in or exists" if negative else "one of = != < <= > >=, in, not in, exists")
        return self._made(lambda: Not(condition)) if negative else condition

    def _name(self) -> str:
        token = self._next
        if token.kind == "quoted":
            return ATTRIBUTE + self._unquoted(self._take())
        if token.kind != "word" or token.reserved:
            self._fail("the name of a field (or not, or an opening parenthesis)")
        return _field(self._take().text)

    def _list(self, field: str) -> tuple[str, ...]:
        values: list[str] = []
        if not self._took("("):
            self._fail("a list of values in parentheses")
        while not self._took(")"):
            if values and not self._took(","):
                self._fail("a comma or a closing parenthesis (put a text with spaces in quotes)")
            values.append(self._value(field))
        return tuple(values)

    def _value(self, field: str) -> str:
        token = self._next
        if token.kind == "quoted":
            value = self._unquoted(token)
        elif token.kind == "word" and not token.reserved:
            value = token.text
        else:
            self._fail("a value (in quotes if it is more than a word)")
        if field == "seen_at":
            try:
                value = to_utc(value)
            except ValueError:
                self._fail("a time such as 2026-05-01T12:00")
        self._take()
        return value

    def _unquoted(self, token: Token) -> str:
        try:
            return unquoted(token.text)
        except ValueError:
            self._fail("a text whose backslashes are escapes as in JSON", token)

    def _made(self, make: Callable[[], Filter]) -> Filter:
        try:
            return make()
        except ValueError as error:
            raise _too_deep() from error


def _too_deep() -> FilterError:
    return FilterError(f"the filter is nested too deep; {MAX_DEPTH} levels are allowed.")


def format_filter(where: Filter) -> str:
    """The text that `parse_filter` reads as this filter, if it is not too long.

    A number comes back as the text that spells it, which stands for the number and for itself. Times must be
    given as galleries store them.
    """
    match where:
        case AllOf(parts) | AnyOf(parts) if len(parts) > 1:
            word = " and " if isinstance(where, AllOf) else " or "
            return word.join(map(_inner, parts))
        case AllOf((part,)) | AnyOf((part,)):
            return format_filter(part)
        case AllOf():
            return format_filter(Not(_NO_ROW))
        case AnyOf():
            return format_filter(_NO_ROW)
        case Not(OneOf() | Exists() as part):
            return _condition(part, negative=True)
        case Not(part):
            return f"not {_inner(part)}"
    return _condition(where, negative=False)


def _inner(part: Filter) -> str:
    """In parentheses if it would fall apart among others."""
    while isinstance(part, AllOf | AnyOf) and len(part.parts) == 1:
        part = part.parts[0]
    several = isinstance(part, AllOf | AnyOf) and part.parts
    return f"({format_filter(part)})" if several else format_filter(part)


def _condition(condition: OneOf | Compare | Exists, negative: bool) -> str:
    name = condition.field.removeprefix(ATTRIBUTE)
    own = condition.field in OWN_FIELDS
    field = name if own else written(name, quote=name in OWN_FIELDS or name.startswith(ATTRIBUTE))
    match condition:
        case Exists():
            return f"{field} {'not ' * negative}exists"
        case Compare(_, sign, value) if value == value:
            return f"{field} {sign} {_value(value)}"
        case OneOf(_, (value,)) if value == value:
            return f"{field} {'!=' if negative else '='} {_value(value)}"
        case OneOf(_, values):
            wanted = ", ".join(_value(value) for value in values if value == value)
            return f"{field} {'not ' * negative}in ({wanted})"
    return f"{field} in ()"  # a comparison with NaN


def _value(value: "AttributeValue") -> str:
    if isinstance(value, str):
        return written(value)
    return json.dumps(value).replace("Infinity", "1e999")
