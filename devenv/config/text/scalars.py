"""What an unquoted word of YAML is: text, a number, true, false or null.

Narrower than YAML 1.1 on purpose: `on`, `yes`, `22:22` and dates are text. Invariant: a number remembers how it was
written, so that a text made of it is what the user typed.
"""

import math
import re
from collections.abc import Mapping

Scalar = str | int | float | bool | None


class WholeNumber(int):
    """A whole number that remembers how it was written (`0x1F`)."""

    written: str


class DecimalNumber(float):
    """A decimal number that remembers how it was written (`1.10`)."""

    written: str


_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_OCTAL = re.compile(r"0o?([0-7]{1,18})")
_HEX = re.compile(r"0x([0-9a-fA-F]{1,15})")
_FLOAT = re.compile(r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve_scalar(text: str) -> Scalar:
    """Return an unquoted scalar as what it looks like."""
    return _WORDS[text] if text in _WORDS else _number(text)


def _number(text: str) -> Scalar:
    number: int | None = None
    if _INT.fullmatch(text):
        number = int(text)
    elif found := _OCTAL.fullmatch(text):
        number = int(found[1], 8)
    elif found := _HEX.fullmatch(text):
        number = int(found[1], 16)
    if number is not None:
        whole = WholeNumber(number)
        whole.written = text
        return whole
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        decimal = DecimalNumber(text)
        decimal.written = text
        return decimal
    return text
