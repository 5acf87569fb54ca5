"""Folders from a service's own up to the root of its stack, and which kind of code a program line starts.

Must not know lock files. Invariant: nothing above `stop_at` is looked at.
"""

from collections.abc import Iterator
from pathlib import Path, PurePath

NODE_PROGRAMS = frozenset(
    {"node", "npm", "npx", "pnpm", "pnpx", "yarn", "yarnpkg", "bun", "bunx", "tsx", "next", "vite"}
)
PYTHON_PROGRAMS = frozenset({
    "python", "python3", "uv", "uvx", "poetry", "pipenv", "pdm", "uvicorn", "gunicorn", "hypercorn", "flask", "fastapi",
    "celery", "django-admin", "alembic", "pytest", "jupyter", "streamlit",
})  # fmt: skip


def upward(folder: Path, stop_at: Path) -> Iterator[Path]:
    """Yield `folder` and its parents up to `stop_at`; `folder` alone where it does not lie below."""
    yield folder
    if folder.is_relative_to(stop_at):
        while folder != stop_at:
            folder = folder.parent
            yield folder


def runs_node(argv: tuple[str, ...]) -> bool:
    """Tell whether the program is one of Node's."""
    return bool(argv) and PurePath(argv[0]).name in NODE_PROGRAMS


def runs_python(argv: tuple[str, ...]) -> bool:
    """Tell whether the program is one of Python's."""
    name = PurePath(argv[0]).name if argv else ""
    return name in PYTHON_PROGRAMS or name.startswith("python3.")
