"""Which checkout owns a project name, and which stacks this machine has.

Must not know containers or daemons. Invariant: a name belongs to at most one folder that exists, also when two
commands ask at the same moment.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devenv.adapters.state.paths import create_private, translate


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStack:
    """A stack of this machine that has a run record."""

    key: str
    root: str
    name: str
    file: str = ""


def claim_project(home: Path, name: str, root: str) -> bool:
    """Claim the project `name` for the folder `root`; False where another folder that still exists has it.

    Raises HostError. Leaves behind a small file below `home`/projects.
    """
    folder = home / "projects"
    create_private(home.resolve())
    create_private(folder)
    claim = folder / f"{_file_name(name)}.json"
    with _exclusive(folder / ".lock"):
        owner = _owner(claim)
        if owner == root:
            return True
        if owner and Path(owner).is_dir():
            return False
        write_private(claim, json.dumps({"name": name, "root": root}))
    return True


def list_stacks(home: Path) -> tuple[KnownStack, ...]:
    """Return every stack that has a readable run record, by root."""
    found = []
    for record in home.glob("*/record.json"):
        data = _read_object(record)
        root, name = data.get("root"), data.get("stack")
        if isinstance(root, str) and isinstance(name, str):
            file = data.get("file")
            found.append(
                KnownStack(key=record.parent.name, root=root, name=name, file=file if isinstance(file, str) else "")
            )
    return tuple(sorted(found, key=lambda one: one.root))


def write_private(path: Path, text: str) -> None:
    """Write a file 0600 beside and rename it into place; raises HostError, and then leaves the old one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise translate(error, f"cannot write {path}") from error


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of all claims. It waits, but only for the few lines above in another process, dead or alive."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _owner(claim: Path) -> str:
    root = _read_object(claim).get("root")
    return root if isinstance(root, str) else ""


def _read_object(path: Path) -> dict[str, object]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _file_name(name: str) -> str:
    """Return `name`, or a hash of one that is no plain file name."""
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain and len(name) <= 100 else hashlib.sha256(name.encode()).hexdigest()[:24]
