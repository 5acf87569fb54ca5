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
    from devenv.domain.cleaning import CleanRules
    from devenv.domain.git_rules import GitRules

__all__ = ["Request", "find_file", "load", "load_clean", "load_git"]


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


def load_git(request: Request) -> "GitRules | None":
    """Read `git:` alone, so that a mistake elsewhere keeps no sync from running; None where there is no such key.

    Raises ConfigError with every mistake in it, or where the file cannot be read as YAML.
    """
    path = _locate(request)
    if not _may_have(path, b"git"):
        return None
    from devenv.config.part import read_part  # noqa: PLC0415 - loads pydantic and yaml
    from devenv.config.repositories import read_git  # noqa: PLC0415

    return read_part(path, "git", request, read_git)


def load_clean(request: Request) -> "CleanRules | None":
    """Read `clean:` alone, as `load_git` does `git:`."""
    path = _locate(request)
    if not _may_have(path, b"clean"):
        return None
    from devenv.config.cleaning import read_clean  # noqa: PLC0415
    from devenv.config.part import read_part  # noqa: PLC0415 - loads pydantic and yaml

    return read_part(path, "clean", request, read_clean)


def _may_have(path: str, key: bytes) -> bool:
    """Tell without parsing whether a file may have `key`; only services.yaml has any."""
    if kind_of(path) != "services":
        return False
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - a path is text here
            return key in stream.read()
    except OSError:
        return True  # whoever reads it says why it cannot be read


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
