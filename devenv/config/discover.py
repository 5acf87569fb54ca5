"""Finds the file that describes the stack, from any folder inside it.

Must not read files and imports nothing but the standard library: every command asks this first, also those that never
load the configuration. Invariant: the nearest folder wins; within a folder services.yaml, then Compose, then Procfile.
"""

import os

SERVICES_NAMES = ("services.yaml", "services.yml")
COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
PROCFILE_NAMES = ("Procfile",)
ALL_NAMES = (*SERVICES_NAMES, *COMPOSE_NAMES, *PROCFILE_NAMES)


def find_file(start: str) -> str | None:
    """Return the absolute path of the file that `start` or the nearest folder above it has, None without one."""
    folder = os.path.abspath(start)  # noqa: PTH100 - pathlib costs every command its import
    while True:
        for name in ALL_NAMES:
            path = os.path.join(folder, name)  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                return path
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            return None
        folder = above


def kind_of(path: str) -> str:
    """Return what a file is by its name: services, compose or procfile."""
    name = os.path.basename(path)  # noqa: PTH119
    if name.lower().startswith("procfile") or name.lower().endswith(".procfile"):
        return "procfile"
    is_compose = name in COMPOSE_NAMES or name.startswith(("compose.", "docker-compose."))
    return "compose" if is_compose else "services"
