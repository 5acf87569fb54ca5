"""The way in: a folder or file to a Stack, or every mistake in it.

Only joins the readers of the three kinds of file. Must not look at the environment of this process. Invariant: a Stack
that is returned is consistent; otherwise ConfigError holds all diagnostics. Parsers are imported when `load` is called.
"""

from typing import TYPE_CHECKING

from devenv.config.discover import ALL_NAMES, find_file, kind_of
from devenv.config.request import Request
from devenv.config.text import paths
from devenv.domain.errors import ConfigError
from devenv.domain.model import Stack

if TYPE_CHECKING:
    from devenv.config.compose.model import ReadCompose

__all__ = ["Request", "find_file", "load"]


def load(request: Request, *, read_compose: "ReadCompose | None") -> Stack:
    """Read the stack; without `read_compose` (no Docker CLI) Compose files are read by devenv itself.

    Raises ConfigError with every mistake of every file.
    """
    path = _locate(request)
    match kind_of(path):
        case "procfile":
            from devenv.config.procfile import load_procfile  # noqa: PLC0415

            return load_procfile(path, request)
        case "compose":
            from devenv.config.stack import load_compose  # noqa: PLC0415

            return load_compose(path, request, read_compose)
        case _:
            from devenv.config.stack import load_services  # noqa: PLC0415

            return load_services(path, request, read_compose)


def _locate(request: Request) -> str:
    if request.file is not None:
        path = paths.join(request.start, request.file)
        if not paths.is_file(path):
            raise ConfigError(f"cannot read {request.file}", why="there is no such file", fix="devenv -f FILE …")
        return path
    found = find_file(request.start)
    if found is None:
        raise ConfigError(
            "cannot find a stack",
            why=f"neither {request.start} nor a folder above it has {', '.join(ALL_NAMES)}",
            fix="devenv -f FILE …",
        )
    return found
