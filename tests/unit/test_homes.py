"""Every third-party package has a home: the places that may import it, so that a library can be swapped in one.

Read from the lines of the source, late imports and those for types included: the linter lets an import begin a line.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "devenv"

HOMES = {
    "anyio": (
        "app",
        "adapters",
        "probes",
        "schema/inspection.py",
        "sync",
        "daemon",
        "cli/logs/following.py",
        "cli/port_holders.py",
        "cli/prompts.py",
    ),
    "detect_secrets": ("adapters/git/secrets.py",),
    "docker": ("adapters/engine",),
    "httpx": ("probes/http.py",),
    "pg8000": ("probes/sql_drivers.py",),
    "platformdirs": ("adapters/state/paths.py",),
    "psutil": ("adapters/ports", "adapters/processes"),
    "pydantic": ("config/schema",),
    "pymysql": ("probes/sql_drivers.py",),
    "python_on_whales": ("adapters/engine/image_worker.py",),
    "redis": ("adapters/caches.py",),
    "requests": ("adapters/engine",),  # what the Docker SDK speaks through
    "rich": ("cli/views/live.py",),
    "stamina": ("adapters/git/retrying.py",),
    "starlette": ("api/server.py",),
    "typer": ("cli",),
    "urllib3": ("adapters/engine",),
    "uvicorn": ("daemon/main.py",),
    "yaml": ("config/render.py", "config/text/source.py"),
}


_IMPORT = re.compile(r"^[ \t]*(?:import[ \t]+(\w+)|from[ \t]+(\w+)[\w.]*[ \t]+import\b)", re.MULTILINE)


def _imports(path: Path) -> Iterator[str]:
    return (one or other for one, other in _IMPORT.findall(path.read_text()))


@cache
def _third_party() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in ROOT.rglob("*.py"):
        for package in _imports(path):
            if package not in sys.stdlib_module_names and package not in {"devenv", "_typeshed"}:
                found.setdefault(package, set()).add(path.relative_to(ROOT).as_posix())
    return found


@pytest.mark.parametrize("package", sorted(HOMES))
def test_package_is_imported_only_at_home(package: str) -> None:
    """A package that turns up elsewhere makes two places that know it."""
    strays = {place for place in _third_party().get(package, set()) if not place.startswith(HOMES[package])}
    assert strays == set()


def test_every_package_that_is_imported_has_a_home() -> None:
    """A new dependency is a decision: it gets a line above, and its reason in pyproject.toml."""
    assert set(_third_party()) == set(HOMES)


def test_domain_reads_no_clock_and_no_chance() -> None:
    """What the domain decides depends on its arguments alone."""
    for path in (ROOT / "domain").rglob("*.py"):
        assert not {"time", "datetime", "random", "secrets", "uuid"}.intersection(_imports(path)), path
