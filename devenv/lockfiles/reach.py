"""What can be reached from where: packages through the packages that need them.

Pure. Must not know a tool. Invariant: ends on cycles.
"""

from collections.abc import Iterable, Mapping


def reach(start: Iterable[str], needs: Mapping[str, Iterable[str]]) -> set[str]:
    """Return `start` and everything that is needed from there."""
    found: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(needs.get(name, ()))
    return found
