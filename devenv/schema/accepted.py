"""Intended drift: the ids of findings that a team has looked at and lives with.

Pure: takes the file's content as data, must not know YAML or where the file is. Invariant: an id that no longer
accepts anything is told, so that the file does not outlive its reasons.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar


class HasId(Protocol):
    """A difference or a finding."""

    @property
    def id(self) -> str:
        """Return what it is accepted by: `column-extra:users.legacy`."""
        ...


Item = TypeVar("Item", bound=HasId)

_ID = re.compile(r"[a-z*?\[\]-]+(:.+)?")


def read_accepted(data: object) -> frozenset[str]:
    """Read a list of ids, or a mapping from id to reason; ids may be globs (`foreign-key-missing:*`).

    Raises ValueError, with one sentence that names what is wrong.
    """
    if data is None:
        return frozenset()
    if not isinstance(data, list | Mapping):
        raise ValueError(  # noqa: TRY004 - the file is wrong, not the caller
            f"it must be a list of finding ids, or a mapping from id to reason, not {data!r}"
        )
    for item in data:
        if not isinstance(item, str) or not _ID.fullmatch(item.strip()):
            raise ValueError(f"{item!r} is no finding id: one looks like column-extra:users.legacy")
    return frozenset(item.strip() for item in data)


def without_accepted(items: Iterable[Item], accepted: Collection[str]) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """Return the items that nobody accepted, and the ids and globs that accepted nothing, sorted."""
    globs = [glob for glob in accepted if any(sign in glob for sign in "*?[")]
    rest: list[Item] = []
    used: set[str] = set()
    for item in items:
        by = {glob for glob in globs if fnmatchcase(item.id, glob)}
        if item.id in accepted:
            by.add(item.id)
        used |= by
        if not by:
            rest.append(item)
    return tuple(rest), tuple(sorted(set(accepted) - used))
