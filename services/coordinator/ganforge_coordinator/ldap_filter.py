"""DIANNE's way to choose learners, an LDAP filter (RFC 4515, RFC 1960), read as a selector; pure.

Of the items there are ``=``, presence, substrings, ``>=`` and ``<=``. Keys are the same in upper
and lower case (RFC 4512, section 2.5); values are not, as with OSGi's filters, which DIANNE uses.
"""

import re
from typing import NoReturn

from ganforge.errors import BadInput
from ganforge.wire.labels import KEY
from ganforge_coordinator.selector import (
    Compare,
    Has,
    In,
    Like,
    Not,
    Selector,
    every,
    some,
)

DEEPEST = 32
_KEY = re.compile(r"[^=<>~:()*\\]*")
_OPERATOR = re.compile(r"[<>~:]?=")
_ESCAPED_BYTE = re.compile(r"\\([0-9a-fA-F]{2})")  # RFC 4515
_ESCAPED_SIGN = re.compile(r"\\([*()\\])")  # RFC 1960


def parse(text: str) -> Selector:
    """Read a filter such as ``(&(os=linux)(!(name=gpu-3)))``.

    Raises:
        BadInput: it is none; the words say at which character.
    """
    reader = _Reader(text)
    reader.skip_space()
    selector = reader.filter(depth=0)
    reader.skip_space()
    if reader.at < len(text):
        reader.refuse("here the filter is over: put several into one, as (&(...)(...))")
    return selector


class _Reader:
    """Reads a filter from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def refuse(self, why: str, at: int | None = None) -> NoReturn:
        """Say what is wrong, and where."""
        place = (self.at if at is None else at) + 1
        detail = f"targetFilter: at character {place}: {why}"
        raise BadInput(detail, errors=[{"pointer": "/targetFilter", "detail": detail}])

    def skip_space(self) -> None:
        while self._next().isspace():
            self.at += 1

    def filter(self, *, depth: int) -> Selector:
        """Read one filter with its parentheses."""
        self._take("(", "a filter begins with (, as in (os=linux)")
        if depth == DEEPEST:
            self.refuse(f"filters are at most {DEEPEST} deep")
        self.skip_space()
        selector = self._inside(depth)
        self.skip_space()
        self._take(")", "here a ) is missing")
        return selector

    def _inside(self, depth: int) -> Selector:
        match sign := self._next():
            case "&" | "|":
                self.at += 1
                parts = self._filters(depth + 1)
                return every(parts) if sign == "&" else some(parts)
            case "!":
                self.at += 1
                self.skip_space()
                return Not(of=self.filter(depth=depth + 1))
        return self._item()

    def _filters(self, depth: int) -> list[Selector]:
        self.skip_space()
        parts = [self.filter(depth=depth)]
        self.skip_space()
        while self._next() == "(":
            parts.append(self.filter(depth=depth))
            self.skip_space()
        return parts

    def _item(self) -> Selector:
        begin = self.at
        key = self._match(_KEY).strip().lower()
        if not re.fullmatch(KEY, key):
            self.refuse("here a label's name is missing, as os in (os=linux)", begin)
        begin = self.at
        sign = self._match(_OPERATOR)
        if sign not in ("=", ">=", "<="):
            self.refuse("after a label's name comes =, >= or <=", begin)
        parts = self._value()
        if sign == ">=" or sign == "<=":
            if len(parts) > 1:
                self.refuse(f"{sign} takes no *", begin)
            return Compare(key=key, sign=sign, value=parts[0])
        if len(parts) == 1:
            return In(key=key, values=(parts[0],))
        return Like(key=key, parts=tuple(parts)) if any(parts) else Has(key=key)

    def _value(self) -> list[str]:
        """Read a value up to its parenthesis: its parts between asterisks."""
        parts, part = [], bytearray()
        while (sign := self._next()) not in (")", ""):
            if sign == "(":
                self.refuse("write a ( within a value as \\28")
            if sign == "\\":
                part += self._escaped()
                continue
            self.at += 1
            if sign == "*":
                parts.append(self._text_of(part))
                part = bytearray()
            else:
                part += sign.encode(errors="surrogatepass")
        parts.append(self._text_of(part))
        # Space around a value means nothing (RFC 4518, section 2.6.1).
        parts[0] = parts[0].lstrip()
        parts[-1] = parts[-1].rstrip()
        return parts

    def _escaped(self) -> bytes:
        if found := self._match(_ESCAPED_BYTE):
            return bytes.fromhex(found[1:])
        if found := self._match(_ESCAPED_SIGN):
            return found[1:].encode()
        self.refuse("after \\ come two hexadecimal digits, as in \\2a for *")

    def _text_of(self, part: bytearray) -> str:
        try:
            return part.decode()
        except UnicodeDecodeError:
            self.refuse("the value before is no UTF-8")

    def _next(self) -> str:
        return self._text[self.at : self.at + 1]

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _take(self, sign: str, missing: str) -> None:
        if self._next() != sign:
            self.refuse(missing)
        self.at += 1
