"""Where the data of embedded servers live, and how they go.

`<data root>/volumes/<volume>/<kind>` for a named volume, `<data root>/anonymous/<service>/<kind>` for none. Where
root's server could not enter that (a data root below /root), the entry is a link to a folder below /var/lib/devenv.
Must not know what is inside. Invariant: only what this module laid out is ever removed.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from devenv.adapters.embedded.account import Account, can_reach, make_folders, shared_home
from devenv.domain.errors import HostError

_VOLUMES = "volumes"
_ANONYMOUS = "anonymous"


def data_folder(data_root: str, *, volume: str, service: str, kind: str) -> Path:
    """Return the folder for `volume`, or for `service` where it names no volume."""
    group, name = (_VOLUMES, volume) if volume else (_ANONYMOUS, service)
    return Path(data_root, group, _safe(name), kind)


def place_data(data: Path, account: Account | None) -> Path:
    """Return the real folder behind `data` with the folders above it made; it does not exist before its first use."""
    try:
        make_folders(data.parent)
        if not data.is_symlink() and not data.exists() and not can_reach(data, account):
            key = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
            data.symlink_to(shared_home() / "data" / key / data.name)
        real = data.resolve()
        make_folders(real.parent)
    except OSError as error:
        raise HostError(
            f"cannot make the data folder {data}", why=error.strerror or str(error), fix=f"ls -ld {data.parent}"
        ) from error
    if account and not can_reach(real, account):
        raise HostError(
            f"cannot run a server on {real} as {account.name}",
            why="that user may not enter a folder above it",
            fix=f"namei -l {real}",
        )
    return real


def remove_data(data_root: str, *, volumes: bool = False) -> tuple[str, ...]:
    """Remove what `down` removes: anonymous data, and with `volumes` the named ones too; return the folders.

    Nothing may run on them. Raises HostError for the first that cannot be removed.
    """
    removed = []
    for group in (_ANONYMOUS, *((_VOLUMES,) if volumes else ())):
        top = Path(data_root, group)
        for folder in _real_folders(top):
            _remove(folder)
            removed.append(str(folder))
        _remove(top)
    return tuple(removed)


def _real_folders(top: Path) -> Iterator[Path]:
    """Return the folders with data below `top`; a link counts only if it is one of ours."""
    ours = (shared_home() / "data").resolve()
    for entry in top.glob("*/*"):
        if not entry.is_symlink():
            if entry.is_dir():
                yield entry
        elif entry.resolve().is_relative_to(ours):
            yield entry.resolve().parent


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise HostError(
            f"cannot remove the data in {folder}", why=error.strerror or str(error), fix=f"rm -r {folder}"
        ) from error


def _safe(name: str) -> str:
    """Return a file name for `name`; two names that differ never share one."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        return name
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[-40:].strip("-") + "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
