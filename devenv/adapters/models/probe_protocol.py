"""The part of a probe that knows no framework: what it says, what it watches, and how it ends.

Sent as text to the service's own interpreter (Python 3.8 or later, the standard library only), so it must import
nothing of devenv, and what a probe needs of it is in the same namespace. Invariant: one line of JSON goes to what was
file descriptor 1, whatever the user's code prints, raises or exits with; nothing is written to disk.
"""

# Paths stay text here: the audit hook is called for every file, and a Path costs more than all the rest of it.
# ruff: noqa: PTH100, PTH109, PTH112, PTH117, PTH120, PTH123

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib.util
import json
import os
import platform
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

_STANDARD = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_PACKAGES = ("site-packages", "dist-packages")
_NO_FILES = ("/proc/", "/dev/", "/sys/")
_SCOPE = re.compile(r"(\s*)(?:async\s+)?(class|def)\s+(\w+)")
_ASSIGNED = re.compile(r"(\s*)(\w+)\s*(?::|=(?!=))")
_COLUMN = re.compile(r"olumn\(\s*[\"'](\w+)[\"']")
_CONTINUES = (")", "]", "}", "#")
_TRACE_BEFORE_S = 0.5
_LONGEST_MESSAGE = 2000


class Unreadable(Exception):
    """The models cannot be read for a reason that is known here; `code` and `names` are for the reader's words."""

    def __init__(self, code: str, text: str, names: list[str] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.names = names or []


class ConnectionBlocked(Exception):
    """The user's code wanted a database connection while it was imported."""


def refuse_connection(*_: object, **__: object) -> Any:
    """Take the place of whatever would connect."""
    raise ConnectionBlocked("devenv reads models without a database connection")


def run(request_text: str, read: Callable[[dict[str, Any], Places], dict[str, Any]]) -> None:
    """Answer the request with what `read` returns, and end this process."""
    gc.disable()  # a fifth of the time, for a process that ends in a moment
    request = json.loads(request_text)
    request["folder"] = request["folder"] or os.getcwd()
    sys.path[:] = [path for path in sys.path if path]
    if request["supervise"]:
        _supervise(request["deadline_s"])
    channel = os.dup(1)
    os.dup2(2, 1)
    faulthandler.dump_traceback_later(max(0.1, request["deadline_s"] - _TRACE_BEFORE_S), file=2)
    watch = Watch()
    sys.addaudithook(watch)
    places = Places(request["folder"])
    document: dict[str, Any]
    try:
        document = {"ok": True, **read(request, places)}
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is an answer, SystemExit too
        document = _describe(error, places)
    document["python"] = platform.python_version()
    document["files"], document["folders"] = watch.list_seen(places)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    _write(channel, json.dumps(document).encode("ascii") + b"\n")
    os._exit(0)


def _write(channel: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(channel, view) :]


def _supervise(deadline_s: float) -> None:
    """Go on in a child; its parent ends it and its children in time, for nobody outside a container can."""
    child = os.fork()
    if child == 0:
        os.setsid()
        return
    os.close(1)  # so that the reader sees the end of the child's answer

    def end(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, deadline_s)
    _, status = os.waitpid(child, 0)
    end()
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _describe(error: BaseException, places: Places) -> dict[str, Any]:
    """Return a failure as plain data: what, where in the user's own code, and Python's own words."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if places.is_own(frame.filename)]
    place = places.show(own[-1].filename, own[-1].lineno or 0) if own else ""
    if isinstance(error, SyntaxError) and error.filename and os.path.isabs(error.filename):
        place = places.show(error.filename, error.lineno or 0)
    shown = traceback.format_exception_only(type(error), error)
    sqlalchemy = sys.modules.get("sqlalchemy")
    return {
        "ok": False,
        "code": getattr(error, "code", "") if isinstance(error, Unreadable) else "",
        "names": error.names if isinstance(error, Unreadable) else [],
        "type": type(error).__name__,
        "message": str(error)[:_LONGEST_MESSAGE],
        "missing": error.name or "" if isinstance(error, ModuleNotFoundError) else "",
        "is_blocked": any(isinstance(one, ConnectionBlocked) for one in _chain(error)),
        "library": f"SQLAlchemy {getattr(sqlalchemy, '__version__', '')}" if sqlalchemy else "",
        "place": place,
        "lines": [f"  {places.show(frame.filename, frame.lineno or 0)}: {frame.line}" for frame in frames[-8:]]
        + [line.rstrip() for line in "".join(shown)[:_LONGEST_MESSAGE].splitlines()[-5:]],
    }


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


class Watch:
    """An audit hook that notes which files were read and which folders listed: what an answer depends on."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._listed: set[str] = set()

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note the event; must never raise, for that would stop the user's code."""
        try:
            if event == "open":
                path, mode, flags = arguments
                if isinstance(path, (str, bytes)) and not _is_writing(mode, flags):
                    self._read.add(os.path.abspath(os.fsdecode(path)))
            elif event in ("os.listdir", "os.scandir") and not isinstance(arguments[0], int):
                self._listed.add(os.path.abspath(os.fsdecode(arguments[0] or ".")))
        except (OSError, TypeError, ValueError):
            pass

    def list_seen(self, places: Places) -> tuple[list[str], list[str]]:
        """Return the files and folders outside the standard library."""
        files = {path for path in map(_source_of, self._read.copy()) if path}
        files.update(_module_files())
        folders = self._listed.copy()
        folders.update(os.path.dirname(path) for path in files if path.endswith(".py") and places.is_own(path))
        folders.update(os.path.abspath(path) for path in sys.path if os.path.isdir(path))
        return _without_standard(files), _without_standard(folders)


def _is_writing(mode: object, flags: object) -> bool:
    if isinstance(mode, str) and set(mode) & set("wax+"):
        return True
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _source_of(path: str) -> str:
    """Return the source of a compiled file, else `path` itself; '' for what is no file of anybody's."""
    if path.endswith(".pyc"):
        try:
            return importlib.util.source_from_cache(path)
        except (NotImplementedError, ValueError):
            return path
    return "" if path.startswith(_NO_FILES) else path


def _module_files() -> list[str]:
    found = []
    for module in list(sys.modules.values()):
        try:
            name = object.__getattribute__(module, "__dict__").get("__file__")  # a lazy module must stay asleep
        except AttributeError:
            continue
        if isinstance(name, str) and not name.startswith("<"):
            found.append(os.path.abspath(name))
    return found


def _without_standard(paths: set[str]) -> list[str]:
    return sorted(path for path in paths if not _is_standard(path))


def _is_standard(path: str) -> bool:
    real = path + os.sep
    return real.startswith(_STANDARD) and not any(part in real for part in _PACKAGES)


class Places:
    """Tells where in the user's code something is written, as `file:line` seen from the service's folder."""

    def __init__(self, folder: str) -> None:
        self._folder = folder.rstrip(os.sep) + os.sep
        self._files: dict[str, _Text] = {}

    def is_own(self, path: str) -> bool:
        """Tell whether `path` is code of the project, and not of a package that was installed."""
        return os.path.isabs(path) and not _is_standard(path) and not any(part in path for part in _PACKAGES)

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
        first = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        indent, body = _indent_of(first), 0
        assigned: dict[str, int] = {}
        named = dict.fromkeys(_COLUMN.findall(first), line)
        is_string, is_decorator = False, first.lstrip().startswith("@")
        for number, text in enumerate(self._lines[line:], line + 1):
            was_string, is_string = is_string, is_string != (text.count('"""') % 2 == 1)
            if was_string or not text.strip():
                continue
            if _indent_of(text) <= indent:
                if not (text.lstrip().startswith(_CONTINUES) or (is_decorator and not body)):
                    break
                continue
            body = body or _indent_of(text)
            found = _ASSIGNED.match(text)
            if found and len(found[1]) == body:
                assigned.setdefault(found[2], number)
            for name in _COLUMN.findall(text):
                named.setdefault(name, number)
        return {**assigned, **named}


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())
