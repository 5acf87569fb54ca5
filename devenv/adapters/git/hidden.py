"""Finds changed files that `git status` does not show, as the user has told git to take them for unchanged.

Must not change anything. Invariant: a file that is there and may differ is named, whether or not it can be compared.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from functools import partial

import anyio.to_thread

from devenv.adapters.git.command import Git, GitFailed

_ENTRY = re.compile(rb"(?:(?<=\0)|\A)[a-zS] (\d+) ([0-9a-f]+) 0\t([^\0]+)")
"""An entry of the index that is marked: `assume-unchanged` has a small letter, `skip-worktree` an S."""

_LINK = "120000"
_SUBMODULE = "160000"


async def find_hidden(git: Git) -> tuple[str, ...]:
    """Return the marked files of the work tree that `git.folder` is the top of, where they differ from the index."""
    ran = await git.run("ls-files", "-z", "-v", "--stage")
    if ran.status != 0 or ran.is_late:
        raise GitFailed(ran, git.folder)
    entries = [(path, os.fsdecode(mode), os.fsdecode(blob)) for mode, blob, path in _ENTRY.findall(ran.out)]
    if not entries:
        return ()
    there = await anyio.to_thread.run_sync(partial(_find_there, git.folder, entries))
    known = {path: blob for path, mode, blob in there if mode != _LINK}
    same = await _find_same(git, known)
    same |= {path for path, mode, blob in there if mode == _LINK and _hash_link(git.folder, path, len(blob)) == blob}
    return tuple(sorted(os.fsdecode(path) for path, _, _ in there if path not in same))


def _find_there(top: str, entries: Sequence[tuple[bytes, str, str]]) -> list[tuple[bytes, str, str]]:
    folder = os.fsencode(top)
    return [one for one in entries if one[1] != _SUBMODULE and os.path.lexists(os.path.join(folder, one[0]))]  # noqa: PTH118


async def _find_same(git: Git, known: dict[bytes, str]) -> set[bytes]:
    """Return the files with the content of the index; none where git cannot tell."""
    paths = [path for path in known if b"\n" not in path and b'"' not in path[:1]]  # it reads one a line
    if not paths:
        return set()
    ran = await git.run("hash-object", "--stdin-paths", feed=b"".join(path + b"\n" for path in paths))
    blobs = ran.text.splitlines()
    if ran.status != 0 or len(blobs) != len(paths):
        return set()
    return {path for path, blob in zip(paths, blobs, strict=True) if known[path] == blob}


def _hash_link(top: str, path: bytes, digits: int) -> str:
    """Return what git would call the content of a link, '' where there is none."""
    try:
        text = os.readlink(os.path.join(os.fsencode(top), path))  # noqa: PTH118, PTH115
    except OSError:
        return ""
    content = b"blob %d\0%s" % (len(text), text)
    return (hashlib.sha1(content, usedforsecurity=False) if digits == 40 else hashlib.sha256(content)).hexdigest()
