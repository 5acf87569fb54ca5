"""Tells where in the user's code a table, a column or a class is written.

Sent as text beside probe_protocol.py, into the service's own interpreter: Python 3.8 or later, no import of devenv.
Must not know a framework. Invariant: a place is a hint, read from the indentation of the file, and never an error.
"""

# Paths stay text here: a Path for every frame and file would cost more than all the rest of it.
# ruff: noqa: PTH117, PTH120, PTH123

from __future__ import annotations

import os
import re

_STANDARD = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_PACKAGES = ("site-packages", "dist-packages")
_SCOPE = re.compile(r"(\s*)(?:async\s+)?(class|def)\s+(\w+)")
_ASSIGNED = re.compile(r"(\s*)(\w+)\s*(?::|=(?!=))")
_COLUMN = re.compile(r"olumn\(\s*[\"'](\w+)[\"']")
_CONTINUES = (")", "]", "}", "#")


def is_standard(path: str) -> bool:
    """Tell whether `path` belongs to the standard library."""
    real = path + os.sep
    return real.startswith(_STANDARD) and not any(part in real for part in _PACKAGES)


class Places:
    """Tells where in the user's code something is written, as `file:line` seen from the service's folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip(os.sep) + os.sep
        self._files: dict[str, _Text] = {}

    def is_own(self, path: str) -> bool:
        """Tell whether `path` is code of the project, and not of a package that was installed."""
        return os.path.isabs(path) and not is_standard(path) and not any(part in path for part in _PACKAGES)

    def show(self, path: str, line: int) -> str:
        """Return `file:line`; a file of an installed package begins with the package."""
        shown = path[len(self._folder) :] if path.startswith(self._folder) else path  # noqa: FURB188 - Python 3.8
        for part in _PACKAGES:
            shown = shown.rpartition(f"/{part}/")[2]
        return f"{shown}:{line}" if line else shown

    def find_at(self, path: str, line: int) -> Spot:
        """Return the class or call that is written at a line."""
        return self._spot(path, line, self._text(path).columns_below(line))

    def find_class(self, path: str, name: str) -> Spot:
        """Return a class by its qualified name."""
        text = self._text(path)
        line = text.class_line(name)
        return self._spot(path, line, text.columns_below(line) if line else {})

    def _spot(self, path: str, line: int, columns: dict[str, int]) -> Spot:
        return Spot(self.show(path, line), {name: self.show(path, at) for name, at in columns.items()})

    def _text(self, path: str) -> _Text:
        if path not in self._files:
            self._files[path] = _Text(path)
        return self._files[path]


class Spot:
    """Where a table is written, and its columns as far as they are written in the same statement."""

    def __init__(self, place: str, columns: dict[str, str]) -> None:
        self.place = place
        self._columns = columns

    def of(self, *names: str) -> str:
        """Return the place of the first of these names that is written there, else that of the whole."""
        return next((self._columns[name] for name in names if name in self._columns), self.place)


class _Text:
    """The lines of one file. Read by their indentation: a syntax tree of 500 models costs as much as their import."""

    def __init__(self, path: str) -> None:
        self._classes: dict[str, int] = {}
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                self._lines = file.read().splitlines()
        except OSError:
            self._lines = []

    def class_line(self, name: str) -> int:
        """Return the line of a class, 0 where it is not written here."""
        if not self._classes:
            outer: list[tuple[int, str]] = []
            for number, line in enumerate(self._lines, 1):
                found = _SCOPE.match(line)
                if found:
                    indent = len(found[1])
                    outer = [one for one in outer if one[0] < indent]
                    self._classes[".".join([*(inner for _, inner in outer), found[3]])] = number
                    outer.append((indent, found[3] if found[2] == "class" else f"{found[3]}.<locals>"))
        return self._classes.get(name, 0)

    def columns_below(self, line: int) -> dict[str, int]:
        """Return the lines of the names that are assigned in the statement at `line`, and of `Column("name", …)`."""
        line = self._skip_decorators(line)
        first = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        indent, body = _indent_of(first), 0
        assigned: dict[str, int] = {}
        named = dict.fromkeys(_COLUMN.findall(first), line)
        is_string = False
        for number, text in enumerate(self._lines[line:], line + 1):
            was_string, is_string = is_string, is_string != (text.count('"""') % 2 == 1)
            if was_string or not text.strip():
                continue
            if _indent_of(text) <= indent:
                if text.lstrip().startswith(_CONTINUES):
                    continue
                break
            body = body or _indent_of(text)
            found = _ASSIGNED.match(text)
            if found and len(found[1]) == body:
                assigned.setdefault(found[2], number)
            for name in _COLUMN.findall(text):
                named.setdefault(name, number)
        return {**assigned, **named}

    def _skip_decorators(self, line: int) -> int:
        """Return the line of the class that is decorated at `line`, else `line` itself."""
        if not self._lines[line - 1 : line] or not self._lines[line - 1].lstrip().startswith("@"):
            return line
        return next(
            (at for at, text in enumerate(self._lines[line:], line + 1) if text.lstrip().startswith("class ")), line
        )


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())
