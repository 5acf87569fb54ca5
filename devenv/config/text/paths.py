"""Paths as texts: joined without looking at the disk, so that what a user wrote is what a message shows.

`pathlib` would resolve `..` through links only by reading the disk, and drops what texts need. Invariant: what `join`
returns is absolute and normal.
"""
# ruff: noqa: PTH100, PTH112, PTH113, PTH118, PTH119, PTH120, PTH122

import os


def join(folder: str, name: str) -> str:
    """Return `name` as an absolute path, relative to `folder`."""
    return os.path.normpath(os.path.join(os.path.abspath(folder), name))


def folder_of(path: str) -> str:
    """Return the folder that holds `path`."""
    return os.path.dirname(path)


def name_of(path: str) -> str:
    """Return the last part of `path`."""
    return os.path.basename(path)


def stem_of(path: str) -> str:
    """Return the last part of `path` without its ending."""
    return os.path.splitext(name_of(path))[0]


def is_file(path: str) -> bool:
    """Tell whether there is a file at `path`."""
    return os.path.isfile(path)


def is_folder(path: str) -> bool:
    """Tell whether there is a folder at `path`."""
    return os.path.isdir(path)


def is_within(path: str, folder: str) -> bool:
    """Tell whether `path` lies below `folder`, by their texts; both are absolute and normal."""
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def show(path: str, start: str) -> str:
    """Return `path` relative to `start` where it lies inside it."""
    return os.path.relpath(path, start) if is_within(path, start) else path
