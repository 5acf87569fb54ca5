"""The bytes of a log as text that is safe on any terminal.

Standard library only. Must not know files. Invariant: the result has no control codes but tab (and newline, where
asked for); colours stay only where they were asked for.
"""

import re

_NEWLINE_TAB = b"\n\t"
_CONTROLS = bytes(code for code in range(32) if code not in _NEWLINE_TAB) + b"\x7f"
_CONTROLS_BUT_ESCAPE = _CONTROLS.replace(b"\x1b", b"")
_STRINGS = rb"\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links: up to their end mark
_COLOUR = rb"\x1b\[[0-9;:]*m"
_SEQUENCE = rb"\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
_ESCAPES = re.compile(b"|".join((_STRINGS, _SEQUENCE)))
_ESCAPES_BUT_COLOUR = re.compile(b"(" + _COLOUR + b")|" + b"|".join((_STRINGS, _SEQUENCE)))
_C1 = dict.fromkeys(range(0x80, 0xA0))


def clean_text(raw: bytes, *, keep_colour: bool = False) -> str:
    """Return `raw` as text, newlines kept; what is no UTF-8 is shown in hexadecimal."""
    if b"\x1b" in raw:
        raw = _ESCAPES_BUT_COLOUR.sub(rb"\1", raw) if keep_colour else _ESCAPES.sub(b"", raw)
    raw = raw.translate(None, _CONTROLS_BUT_ESCAPE if keep_colour else _CONTROLS)
    text = raw.decode(errors="backslashreplace")
    return text if text.isascii() else text.translate(_C1)
