"""The part of a probe that knows no framework: what it says, what it watches, and how it ends.

Sent as text to the service's own interpreter (Python 3.8 or later, the standard library only), so it must import
nothing of devenv, and what a probe needs of it is in the same namespace. Invariant: one line of JSON goes to what was
file descriptor 1, whatever the user's code prints, raises or exits with; nothing is written to disk.
"""

# Paths stay text here: the audit hook is called for every file, and a Path costs more than all the rest of it.
# ruff: noqa: PTH100, PTH109, PTH112, PTH117, PTH120

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import gc
import importlib.util
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # when sent, these are in the same namespace
    from devenv.adapters.models.probe_places import Places, is_standard  # noqa: TC004 - see above

_NO_FILES = ("/proc/", "/dev/", "/sys/")
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
    if len(sys.argv) > 1:
        _end_with_reader(int(sys.argv.pop(1)))
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


def _end_with_reader(lifeline: int) -> None:
    """End this process and its children once the other end of `lifeline` is closed: whoever asked is gone."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(lifeline, 1)
        os.killpg(0, signal.SIGKILL)  # the group is our own: the reader made it for us

    _thread.start_new_thread(wait, ())  # not of `threading`, which the user's code may have replaced


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
    return sorted(path for path in paths if not is_standard(path))
