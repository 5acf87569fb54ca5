"""Environment markers of Python dependencies (`python_version < "3.12" and sys_platform == "linux"`), three-valued.

Must not know lock files, nor look at this interpreter. Invariant: what cannot be decided (an unknown variable, an
extra, a text that is no marker) is None, never a guess.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

_TOKEN = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|(\(|\)|===|[<>=!~]=|[<>]|[A-Za-z_][A-Za-z0-9_.]*))")
_RELEASE = re.compile(r"\d+(\.\d+)*")
_VERSIONS = frozenset({"python_version", "python_full_version"})
_ORDERED: Mapping[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_REVERSIBLE = frozenset({"==", "!=", *_MIRRORED})


def holds(marker: str, variables: Mapping[str, str]) -> bool | None:
    """Tell whether `marker` holds where the `variables` have these values; None where that cannot be known."""
    try:
        tokens = _tokenise(marker)
        return _Reader(tokens, variables).read() if tokens else True
    except (ValueError, IndexError):
        return None


Token = tuple[str, bool]
"""A word, and whether it was quoted."""


@lru_cache(maxsize=512)
def _tokenise(marker: str) -> tuple[Token, ...]:
    found: list[Token] = []
    at = 0
    text = marker.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"no marker: {marker}")
        quoted = match[1] if match[1] is not None else match[2]
        found.append((match[3], False) if quoted is None else (quoted, True))
        at = match.end()
    return tuple(found)


class _Reader:
    """Reads `or` of `and` of comparisons; runs out of tokens with an IndexError."""

    def __init__(self, tokens: tuple[Token, ...], variables: Mapping[str, str]) -> None:
        self._tokens = tokens
        self._variables = variables
        self._at = 0

    def read(self) -> bool | None:
        value = self._any()
        if self._at != len(self._tokens):
            raise ValueError("words after the end of a marker")
        return value

    def _any(self) -> bool | None:
        values = [self._all()]
        while self._follows("or"):
            values.append(self._all())
        if True in values:
            return True
        return None if None in values else False

    def _all(self) -> bool | None:
        values = [self._one()]
        while self._follows("and"):
            values.append(self._one())
        if False in values:
            return False
        return None if None in values else True

    def _one(self) -> bool | None:
        if self._follows("("):
            value = self._any()
            if not self._follows(")"):
                raise ValueError("a bracket stays open")
            return value
        left = self._next()
        operator, _ = self._next()
        if operator == "not":
            operator = f"not {self._next()[0]}"
        return self._compare(left, operator, self._next())

    def _compare(self, left: Token, operator: str, right: Token) -> bool | None:
        if left[1] and not right[1] and operator in _REVERSIBLE:
            left, operator, right = right, _MIRRORED.get(operator, operator), left
        name = left[0] if not left[1] else right[0] if not right[1] else ""
        values = [token[0] if token[1] else self._variables.get(token[0]) for token in (left, right)]
        if values[0] is None or values[1] is None:
            return None
        if operator in {"in", "not in"}:
            return (values[0] in values[1]) is (operator == "in")
        if name in _VERSIONS:
            return _compare_versions(values[0], operator, values[1])
        return {"==": values[0] == values[1], "!=": values[0] != values[1]}.get(operator)

    def _follows(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == (word, False):
            self._at += 1
            return True
        return False

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]


def _compare_versions(left: str, operator: str, right: str) -> bool | None:
    """Compare released versions; None for `3.13rc1` and its kin."""
    is_prefix = right.endswith(".*")
    bound = right.removesuffix(".*")
    if not _RELEASE.fullmatch(left) or not _RELEASE.fullmatch(bound):
        return None
    here, there = _numbers(left), _numbers(bound)
    if operator == "~=":
        return here >= there and here[: len(there) - 1] == there[:-1]
    if is_prefix:
        here = here[: len(there)]
    length = max(len(here), len(there))
    compare = _ORDERED.get(operator)
    return compare(_pad(here, length), _pad(there, length)) if compare else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _pad(numbers: tuple[int, ...], length: int) -> tuple[int, ...]:
    return numbers + (0,) * (length - len(numbers))
