"""Collects every mistake of every file that is read, each with its place and its line.

Must not know what the files mean. Invariant: nothing is raised before all that can be checked was checked; what is
raised is in the order of files and lines, and each mistake is in it once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from devenv.config.text import paths
from devenv.domain.errors import ConfigError, Diagnostic
from devenv.domain.model import Mark

Place = tuple[int, int]
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file that was read: `path` is absolute, `shown` is how the user would write it."""

    path: str
    shown: str
    text: str
    lines: tuple[str, ...]

    def line(self, number: int) -> str:
        """Return a line, counted from 1, without its end; empty where there is none."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


class Problems:
    """The mistakes found so far; `start` is the folder that shown paths are relative to."""

    def __init__(self, start: str) -> None:
        self.start = paths.join(start, "")
        self._found: dict[Diagnostic, None] = {}
        self._files: dict[str, TextFile] = {}
        self._main: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._found)

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """Return what was found, the stack's own file first, in the order of lines."""
        files = list(dict.fromkeys((*self._main, *(one.file for one in self._found))))
        return tuple(sorted(self._found, key=lambda one: (files.index(one.file), one.line, one.column)))

    def show(self, path: str) -> str:
        """Return `path` as the user would write it: relative inside the folder where they are."""
        return paths.show(path, self.start)

    def add(self, file: TextFile, place: Place, message: str, *, hint: str = "") -> None:
        """Note a mistake at a line and column of a file that was read."""
        source = file.line(place[0]).rstrip()
        self._note(
            Diagnostic(file=file.shown, line=place[0], column=place[1], message=message, source=source, hint=hint)
        )

    def add_at(self, mark: Mark | None, message: str, *, hint: str = "") -> None:
        """Note a mistake at a place that the domain kept."""
        if mark is None:
            self._note(Diagnostic(file="", line=0, column=0, message=message, hint=hint))
            return
        file = self._files.get(mark.file)
        source = file.line(mark.line).rstrip() if file else ""
        self._note(
            Diagnostic(
                file=self.show(mark.file), line=mark.line, column=mark.column, message=message, source=source, hint=hint
            )
        )

    def add_bare(self, path: str, message: str, *, hint: str = "") -> None:
        """Note a mistake of a file as a whole."""
        self._note(Diagnostic(file=self.show(path), line=0, column=0, message=message, hint=hint))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Take over what somebody else found."""
        for one in diagnostics:
            self._note(one)

    def raise_any(self, path: str) -> None:
        """Raise ConfigError with everything that was found; does nothing where that is nothing."""
        self._main = (self.show(path),)
        if self._found:
            count = len(self._found)
            mistakes = "1 mistake" if count == 1 else f"{count} mistakes"
            raise ConfigError(
                f"cannot use {self.show(path)}: {mistakes}", fix="mend the lines above", diagnostics=self.found
            )

    def open(self, path: str) -> TextFile | None:
        """Read a text file; what is wrong with it as a file is noted, and None returned."""
        try:
            with open(path, "rb") as stream:  # noqa: PTH123 - a path is text here
                content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            self.add_bare(path, f"cannot be read: {(error.strerror or str(error)).lower()}")
            return None
        if len(content) > MAX_BYTES:
            self.add_bare(path, f"is larger than {MAX_BYTES // 1024 // 1024} MiB; is it the right file?")
            return None
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
            self._note(
                Diagnostic(file=self.show(path), line=line, column=column, message="is not UTF-8 text from here on")
            )
            return None
        self._files[path] = TextFile(path=path, shown=self.show(path), text=text, lines=tuple(text.splitlines()))
        return self._files[path]

    def know(self, file: TextFile) -> None:
        """Remember a file that somebody else read, for its lines."""
        self._files[file.path] = file

    def _note(self, diagnostic: Diagnostic) -> None:
        self._found[diagnostic] = None


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a `did you mean` for a mistyped word, empty where nothing is near."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f'did you mean "{by_lower[near[0]]}"?' if near else ""
