"""Variables in texts: `$VAR`, `${VAR:-x}`, `${VAR:?why}`, `${VAR:+x}` and their kin, nested.

Knows the syntax only; where values come from is the caller's. Invariant of `late` texts (services.yaml): what is left
are references such as `${api.port}` and `$$`, and the value of a variable is never read as either.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from devenv.domain.references import REFERENCE, escape

Lookup = Callable[[str], str | None]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_DOTTED = re.compile(r"\$\{([A-Za-z0-9_-]+)\.([^{}]*)\}")
_MAX_DEPTH = 40


class BadVariable(ValueError):
    """A text cannot be interpolated; says why in one sentence."""


@dataclass(slots=True)
class Expansion:
    """Expands texts. `unset` collects the plain variables that had no value and became empty."""

    lookup: Lookup
    late: bool = False
    unset: dict[str, None] = field(default_factory=dict)

    def expand(self, text: str) -> str:
        """Return `text` with its variables replaced; raises BadVariable."""
        return self._expand(text, 0) if "$" in text else text

    def _expand(self, text: str, depth: int) -> str:
        if depth > _MAX_DEPTH:
            raise BadVariable("variables are nested too deep")
        parts: list[str] = []
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            part, at = self._one(text, dollar, depth)
            parts.append(part)
        parts.append(text[at:])
        return "".join(parts)

    def _one(self, text: str, at: int, depth: int) -> tuple[str, int]:
        """Return what stands for the `$` at `at`, and where the text goes on."""
        if text.startswith("$$", at):
            return self._dollar(), at + 2
        if text.startswith("${", at):
            if self.late and (reference := REFERENCE.match(text, at)):
                return reference[0], reference.end()
            return self._braced(text, at, depth)
        name = _NAME.match(text, at + 1)
        if name is None:
            return self._dollar(), at + 1
        return self._value(name[0]), name.end()

    def _dollar(self) -> str:
        return "$$" if self.late else "$"

    def _value(self, name: str) -> str:
        value = self.lookup(name)
        if value is None:
            self.unset[name] = None
            return ""
        return self._quote(value)

    def _quote(self, value: str) -> str:
        return escape(value) if self.late else value

    def _braced(self, text: str, at: int, depth: int) -> tuple[str, int]:
        end = _closing(text, at)
        name = _NAME.match(text, at + 2)
        if name is None or (name.end() < end and not _OPERATOR.match(text, name.end())):
            raise BadVariable(_explain(text[at : end + 1], late=self.late))
        if name.end() == end:
            return self._value(name[0]), end + 1
        operator = _OPERATOR.match(text, name.end())
        assert operator is not None
        word = text[operator.end() : end]
        return self._operate(name[0], operator[0], word, depth), end + 1

    def _operate(self, name: str, operator: str, word: str, depth: int) -> str:
        value = self.lookup(name)
        has_value = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return self._expand(word, depth + 1) if has_value else ""
        if has_value:
            return self._quote(value or "")
        if operator.endswith("-"):
            return self._expand(word, depth + 1)
        said = self._expand(word, depth + 1)
        state = "is not set" if value is None else "is empty"
        raise BadVariable(f"the required variable {name} {state}" + (f": {said}" if said else ""))


def _closing(text: str, at: int) -> int:
    """Return where the brace that opens at `at` is closed."""
    depth, here = 0, at
    while here < len(text):
        if text.startswith("${", here):
            depth += 1
            here += 2
            continue
        if text[here] == "}":
            depth -= 1
            if depth == 0:
                return here
        here += 1
    raise BadVariable(f'"{_short(text[at:])}" is not closed with "}}"')


def _explain(text: str, *, late: bool) -> str:
    dotted = _DOTTED.fullmatch(text)
    if late and dotted:
        return f'"{text}" is no value of a service: there are ${{{dotted[1]}.port}} and ${{{dotted[1]}.url}}'
    return f'"{_short(text)}" is not a variable; write $$ for a dollar sign'


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
