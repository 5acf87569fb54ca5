"""Virtual environments: which one a service runs in, whether it still works, and what is installed in it.

Must not start an interpreter, nor know lock files. Invariant: an environment is named only where the program line, the
tool or the folders leave no doubt; the interpreter of the system is nobody's environment.
"""

import base64
import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from devenv.lockfiles.places import runs_python, upward

TOOLS = frozenset({"uv", "poetry", "pipenv", "pdm"})
_FOLDERS = (".venv", "venv")
_SETTINGS = "pyvenv.cfg"


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualEnvironment:
    """An environment. `python` is its version (`3.11.7`), '' where nothing tells.

    `fault` says in a few words why it cannot be used, '' where it can. With `sees_system` the packages of the system's
    interpreter count as well.
    """

    folder: Path
    python: str = ""
    fault: str = ""
    sees_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """The versions of each package by its normalised name; `broken` has those that are there in part, with why."""

    versions: Mapping[str, frozenset[str]]
    broken: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How a service is run: its folder, that of its lock file, and the tool which wrote that."""

    folder: Path
    root: Path
    tool: str
    environment: Mapping[str, str]
    argv: tuple[str, ...]
    stop_at: Path


def find_environment(usage: Usage) -> VirtualEnvironment | None:
    """Return the environment that the service runs in, None where nobody can know."""
    program = usage.argv[0] if usage.argv else ""
    name = PurePath(program).name
    if name in TOOLS:
        return _find_by_tool(usage, name)
    if "/" in program:
        return _find_by_path(Path(os.path.normpath(usage.folder / program)))
    if program and (found := shutil.which(program, path=usage.environment.get("PATH", ""))):
        environment = _find_by_path(Path(found))
        if environment is not None or runs_python(usage.argv):
            return environment
    return _find_by_tool(usage, usage.tool)


def normalise(name: str) -> str:
    """Return the name of a Python package as every spelling of it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def marker_variables(python: str) -> dict[str, str]:
    """Return what markers ask for, as far as it is known of an environment on this machine."""
    known = {
        "sys_platform": sys.platform,
        "os_name": os.name,
        "platform_system": platform.system(),
        "platform_machine": platform.machine(),
    }
    parts = python.split(".")
    if len(parts) >= 2:
        known["python_version"] = ".".join(parts[:2])
    if len(parts) >= 3:
        known["python_full_version"] = ".".join(parts[:3])
    return known


def list_installed(environment: VirtualEnvironment) -> Installed:
    """Read the names and versions off the folders in site-packages."""
    versions: dict[str, frozenset[str]] = {}
    broken: dict[str, str] = {}
    for entry in _entries(environment):
        kind = entry.name.rpartition(".")[2]
        if kind not in {"dist-info", "egg-info"} or entry.name.startswith("~"):
            continue
        words = entry.name.removesuffix(f".{kind}").split("-")
        name = normalise(words[0])
        versions[name] = versions.get(name, frozenset()) | set(words[1:2] or [""])
        if kind == "dist-info":
            lacking = [part for part in ("METADATA", "RECORD") if not os.path.exists(f"{entry.path}/{part}")]  # noqa: PTH110 - hundreds of them
            if lacking:
                broken[name] = f"no {' and no '.join(lacking)}"
    return Installed(versions=versions, broken=broken)


def _find_by_path(program: Path) -> VirtualEnvironment | None:
    """Return the environment whose `bin` holds the program; links are not followed: they lead to the system's."""
    folder = program.parent.parent
    if (folder / _SETTINGS).is_file():
        environment = _inspect(folder)
        return environment if environment.fault else replace(environment, fault=_find_lost_interpreter(program))
    if program.parent.name == "bin" and folder.name.endswith("env") and not folder.exists():
        return VirtualEnvironment(folder=folder, fault="is not there")
    return None


def _find_by_tool(usage: Usage, tool: str) -> VirtualEnvironment | None:
    for folder in _candidates(usage, tool):
        if (folder / _SETTINGS).is_file():
            return _inspect(folder)
    is_uv_called = bool(usage.argv) and PurePath(usage.argv[0]).name == "uv"
    return VirtualEnvironment(folder=usage.root / ".venv", fault="is not there") if is_uv_called else None


def _candidates(usage: Usage, tool: str) -> Iterator[Path]:
    """Yield where `tool` keeps the environment, the place that it prefers first."""
    active = usage.environment.get("VIRTUAL_ENV", "")
    is_called = bool(usage.argv) and PurePath(usage.argv[0]).name == tool
    if tool == "uv":
        yield usage.root / usage.environment.get("UV_PROJECT_ENVIRONMENT", ".venv")
        return
    # An environment that happens to be active where devenv was started counts only for tools that go by it.
    if active and ((is_called and tool in {"poetry", "pipenv"}) or Path(active).is_relative_to(usage.stop_at)):
        yield Path(active)
    if tool == "pdm" and (recorded := _read_text(usage.root / ".pdm-python").strip()):
        yield Path(recorded).parent.parent
    yield from (place / name for place in upward(usage.folder, usage.root) for name in _FOLDERS)
    if tool == "poetry":
        yield from _cached(usage, "POETRY_VIRTUALENVS_PATH", ".cache/pypoetry/virtualenvs", usage.root)
    if tool == "pipenv":
        yield from _cached(usage, "WORKON_HOME", ".local/share/virtualenvs", usage.root / "Pipfile")


def _cached(usage: Usage, variable: str, default: str, project: Path) -> Iterator[Path]:
    """Yield environments kept elsewhere: Poetry and Pipenv put a hash of the project's path into their names."""
    home = usage.environment.get("HOME", "")
    folder = Path(usage.environment.get(variable) or f"{home}/{default}")
    digest = base64.urlsafe_b64encode(hashlib.sha256(os.path.realpath(project).encode()).digest()).decode()[:8]
    if home or usage.environment.get(variable):
        yield from sorted(folder.glob(f"*-{digest}*"), reverse=True)


def _inspect(folder: Path) -> VirtualEnvironment:
    lines = re.findall(r"^([\w-]+)\s*=\s*(.*?)\s*$", _read_text(folder / _SETTINGS), re.MULTILINE)
    settings: dict[str, str] = dict(lines)
    version = re.match(r"\d+(\.\d+){1,2}", settings.get("version_info", settings.get("version", "")))
    python = folder / "bin" / "python"
    fault = ""
    if not python.exists():
        fault = (
            f"has lost its interpreter ({os.path.realpath(python)})" if python.is_symlink() else "has no interpreter"
        )
    return VirtualEnvironment(
        folder=folder,
        python=version[0] if version else "",
        fault=fault,
        sees_system=settings.get("include-system-site-packages", "false").lower() == "true",
    )


def _find_lost_interpreter(script: Path) -> str:
    """Return what is wrong with a script that names its interpreter by a path: an environment cannot be moved."""
    try:
        with script.open("rb") as file:
            line = file.readline(512).decode("utf-8", "replace")
    except OSError:
        return ""
    words = line.removeprefix("#!").split() if line.startswith("#!/") else []
    if not words or Path(words[0]).exists():
        return ""
    return f"was moved (its {script.name} starts {words[0]}, which is not there)"


def _entries(environment: VirtualEnvironment) -> Iterator[os.DirEntry[str]]:
    library = environment.folder / "lib"
    version = ".".join(environment.python.split(".")[:2])
    places = [library / f"python{version}" / "site-packages"]
    for place in places if places[0].is_dir() else sorted(library.glob("python*/site-packages")):
        with os.scandir(place) as entries:
            yield from entries


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
