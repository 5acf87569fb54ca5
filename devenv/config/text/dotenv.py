"""Reads environment files: `KEY=value`, quotes, comments, `export`, and variables in values.

Follows what Compose does with `.env` and `env_file`. Must not look at the environment of this process. Invariant:
the last of two lines with one key wins, and a key without `=` takes the value that the caller knows, or none.
"""

import re

from devenv.config.text.interpolate import BadVariable, Expansion, Lookup
from devenv.config.text.problems import Place, Problems, TextFile

_KEY = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.\-]*)[ \t]*")
_COMMENT = re.compile(r"\s#.*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$$"}


def read_env(file: TextFile, problems: Problems, lookup: Lookup) -> dict[str, str]:
    """Return the variables of a file; `lookup` gives outer variables, which win inside values. Mistakes are noted."""
    return _Reader(file, problems, lookup).read()


class _Reader:
    def __init__(self, file: TextFile, problems: Problems, lookup: Lookup) -> None:
        self._file = file
        self._text = file.text.replace("\r\n", "\n")
        self._problems = problems
        self._lookup = lookup
        self._found: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        at = 0
        while at < len(self._text):
            end = self._end_of_line(at)
            line = self._text[at:end]
            if line.strip() and not line.lstrip().startswith("#"):
                end = self._take(at + len(line) - len(line.lstrip()), end)
            at = end + 1
        return self._found

    def _take(self, at: int, end: int) -> int:
        """Read one definition and return where its last line ends."""
        key = _KEY.match(self._text, at, end)
        if key is None:
            self._note(at, "is not KEY=value")
            return end
        here = key.end()
        if here >= end or self._text[here] == "#":
            if (outer := self._lookup(key[1])) is not None:
                self._found[key[1]] = outer
            return end
        if self._text[here] not in "=:":
            self._note(here, f'"=" is missing after {key[1]}')
            return end
        return self._take_value(key[1], here + 1, end)

    def _take_value(self, key: str, at: int, end: int) -> int:
        while at < end and self._text[at] in " \t":
            at += 1
        quote = self._text[at : at + 1]
        if quote and quote in "'\"":
            closing = self._closing(at, quote)
            if closing < 0:
                self._note(at, f"the value of {key} has no closing {quote}")
                return end
            inner = self._text[at + 1 : closing]
            self._put(key, inner if quote == "'" else self._expand(at, _unescape(inner)))
            return self._end_of_line(closing)
        raw = self._text[at:end]
        text = "" if raw.startswith("#") else _COMMENT.sub("", raw, count=1).strip()
        self._put(key, self._expand(at, text))
        return end

    def _expand(self, at: int, text: str) -> str:
        try:
            return Expansion(self._known).expand(text)
        except BadVariable as error:
            self._note(at, str(error))
            return ""

    def _known(self, name: str) -> str | None:
        outer = self._lookup(name)
        return self._found.get(name) if outer is None else outer

    def _put(self, key: str, value: str) -> None:
        self._found[key] = value

    def _closing(self, at: int, quote: str) -> int:
        here = at + 1
        while here < len(self._text):
            if self._text[here] == "\\" and quote == '"':
                here += 2
                continue
            if self._text[here] == quote:
                return here
            here += 1
        return -1

    def _end_of_line(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end

    def _note(self, at: int, message: str) -> None:
        before = self._text[:at]
        place: Place = (before.count("\n") + 1, at - before.rfind("\n"))
        self._problems.add(self._file, place, message)


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), text, flags=re.DOTALL)
