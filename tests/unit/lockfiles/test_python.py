"""Lock files of Python's package managers against virtual environments as they leave them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from devenv.domain.findings import Finding, Severity
from devenv.lockfiles.check import check_locks


def check(
    folder: Path, argv: str = ".venv/bin/python app.py", *, stop_at: Path | None = None, **environment: str
) -> list[Finding]:
    """Return what is found for a service in `folder`."""
    variables = {"PATH": "", **environment}
    return list(check_locks(folder, environment=variables, argv=tuple(argv.split()), stop_at=stop_at or folder))


def write(path: Path, content: object) -> None:
    """Write a text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def make_environment(folder: Path, *packages: str, python: str = "3.11.7", settings: str = "") -> Path:
    """Make a virtual environment with `name-version` packages; return its site-packages."""
    write(folder / "pyvenv.cfg", f"home = /usr/bin\nversion_info = {python}\n{settings}")
    (folder / "bin").mkdir()
    (folder / "bin/python").symlink_to(sys.executable)
    site = folder / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    for package in packages:
        for part in ("METADATA", "RECORD"):
            write(site / f"{package}.dist-info" / part, "")
    return site


UV = """version = 1

[[package]]
name = "click"
version = "8.1.7"
source = { registry = "https://index.example/simple" }
dependencies = [
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "idna", extra = ["fast"] },
]
sdist = { url = "https://x/click.tar.gz", hash = "sha256:a" }
wheels = [
    { url = "https://x/click.whl", hash = "sha256:b" },
]

[[package]]
name = "colorama"
version = "0.4.6"
source = { registry = "https://index.example/simple" }

[[package]]
name = "idna"
version = "3.7"
source = { registry = "https://index.example/simple" }

[package.optional-dependencies]
fast = [
    { name = "speedups" },
]

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://index.example/simple" }
resolution-markers = [
    "python_full_version < '3.12'",
]

[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://index.example/simple" }
resolution-markers = [
    "python_full_version >= '3.12'",
]

[[package]]
name = "pytest"
version = "8.2.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "ruff"
version = "0.5.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "click" },
    { name = "numpy" },
    { name = "worker" },
]

[package.optional-dependencies]
extra = [
    { name = "missing-extra" },
]

[package.dev-dependencies]
dev = [
    { name = "pytest" },
    { name = "ruff" },
]
docs = [
    { name = "sphinx" },
]

[[package]]
name = "speedups"
version = "1.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "sphinx"
version = "7.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "worker"
version = "0.1.0"
source = { editable = "services/worker" }
"""
UV_INSTALLED = ("click-8.1.7", "idna-3.7", "numpy-1.26.4", "speedups-1.0", "pytest-8.2.0", "ruff-0.5.0")


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """Return a project as `uv sync` leaves it."""
    write(tmp_path / "pyproject.toml", "[project]\nname = 'shop'\n")
    write(tmp_path / "uv.lock", UV)
    make_environment(tmp_path / ".venv", *UV_INSTALLED)
    return tmp_path


def remove(folder: Path, package: str) -> None:
    """Take a package out of the environment."""
    shutil.rmtree(folder / f".venv/lib/python3.11/site-packages/{package}.dist-info")


def test_uv_is_well_when_what_it_installs_by_default_is_there(uv: Path) -> None:
    """No extras, no other groups, no packages of other platforms or of another fork."""
    assert check(uv) == []


def test_uv_lacks_packages_when_they_were_added_since(uv: Path) -> None:
    """What an extra of a dependency brings is needed as well."""
    remove(uv, "click-8.1.7")
    remove(uv, "speedups-1.0")

    (finding,) = check(uv)

    assert (finding.id, finding.severity) == ("packages-missing:uv.lock", Severity.ERROR)
    assert finding.text.startswith(".venv lacks 2 packages of uv.lock: ")
    assert sorted(finding.details) == ["click 8.1.7", "speedups 1.0"]
    assert finding.fix == "uv sync"


def test_environment_is_older_when_a_version_differs(uv: Path) -> None:
    """A warning: it may still work."""
    remove(uv, "idna-3.7")
    write(uv / ".venv/lib/python3.11/site-packages/idna-3.6.dist-info/METADATA", "")
    write(uv / ".venv/lib/python3.11/site-packages/idna-3.6.dist-info/RECORD", "")

    (finding,) = check(uv)

    assert (finding.id, finding.severity) == ("packages-differ:uv.lock", Severity.WARNING)
    assert finding.text == ".venv is older than uv.lock: idna 3.6 installed, 3.7 locked"


def test_development_packages_may_miss_when_all_of_them_do(uv: Path) -> None:
    """`uv sync --no-dev` was meant so."""
    remove(uv, "pytest-8.2.0")
    assert [finding.details for finding in check(uv)] == [("pytest 8.2.0",)]

    remove(uv, "ruff-0.5.0")
    assert check(uv) == []


def test_package_is_broken_when_its_record_is_gone(uv: Path) -> None:
    """An installation was interrupted."""
    (uv / ".venv/lib/python3.11/site-packages/click-8.1.7.dist-info/RECORD").unlink()

    (finding,) = check(uv)

    assert (finding.id, finding.severity) == ("packages-broken:uv.lock", Severity.ERROR)
    assert finding.text == ".venv has 1 broken package: click (no RECORD)"


def test_environment_is_broken_when_its_interpreter_is_gone(uv: Path) -> None:
    """Python was upgraded beneath it."""
    (uv / ".venv/bin/python").unlink()
    (uv / ".venv/bin/python").symlink_to("/gone/python3.10")

    (finding,) = check(uv)

    assert (finding.id, finding.severity) == ("not-installed:uv.lock", Severity.ERROR)
    assert finding.text == ".venv has lost its interpreter (/gone/python3.10), and uv.lock locks 4 packages"


def test_environment_is_broken_when_it_was_moved(uv: Path) -> None:
    """Scripts name their interpreter by its path."""
    write(uv / ".venv/bin/uvicorn", "#!/old/place/.venv/bin/python\n")

    (finding,) = check(uv, ".venv/bin/uvicorn app:app")

    assert ".venv was moved (its uvicorn starts /old/place/.venv/bin/python, which is not there)" in finding.text


def test_environment_is_not_there_when_the_program_line_names_it(uv: Path) -> None:
    """The first hour of a new hire."""
    shutil.rmtree(uv / ".venv")

    (finding,) = check(uv)

    assert finding.text.startswith(".venv is not there, and uv.lock locks ")


@pytest.mark.parametrize("argv", ["python app.py", "make dev", "./bin/serve", "poetry run app"])
def test_nothing_is_found_when_nobody_knows_the_environment(uv: Path, argv: str) -> None:
    """The packages may be anywhere."""
    shutil.rmtree(uv / ".venv")

    assert check(uv, argv) == []


def test_nothing_is_found_when_uv_mends_it_by_itself(uv: Path) -> None:
    """`uv run` installs what is locked before it starts anything."""
    shutil.rmtree(uv / ".venv")

    assert check(uv, "uv run app.py") == []
    assert [finding.id for finding in check(uv, "uv run --no-sync app.py")] == ["not-installed:uv.lock"]


def test_environment_of_the_path_counts_when_the_program_is_bare(uv: Path) -> None:
    """An activated environment that lies elsewhere, not the one beside the lock file."""
    make_environment(uv.parent / "elsewhere", *UV_INSTALLED[1:])
    program = uv.parent / "elsewhere/bin/uvicorn"
    write(program, "#!/bin/sh\n")
    program.chmod(0o755)

    (finding,) = check(uv, "uvicorn app:app", PATH=str(program.parent))

    assert finding.text == f"{uv.parent / 'elsewhere'} lacks 1 package of uv.lock: click 8.1.7"


def test_environment_beside_is_not_judged_when_the_system_runs_the_program(uv: Path) -> None:
    """`python` from outside any environment uses none."""
    remove(uv, "click-8.1.7")
    program = uv.parent / "system/python3"
    write(program, "#!/bin/sh\n")
    program.chmod(0o755)

    assert check(uv, "python3 app.py", PATH=str(program.parent)) == []
    assert check(uv, "python3 app.py") != []


def test_active_environment_is_not_judged_when_it_lies_outside_the_stack(tmp_path: Path) -> None:
    """It may be the one that devenv itself was started from."""
    write(tmp_path / "stack/requirements.txt", "click==8.1.7\n")
    make_environment(tmp_path / "other")

    assert check(tmp_path / "stack", "make dev", VIRTUAL_ENV=str(tmp_path / "other")) == []


def test_missing_packages_are_not_judged_when_the_systems_count_too(tmp_path: Path) -> None:
    """They may be installed there."""
    write(tmp_path / "requirements.txt", "click==8.1.7\n")
    make_environment(tmp_path / ".venv", settings="include-system-site-packages = true\n")

    assert check(tmp_path) == []


def test_lock_of_the_workspace_counts_when_the_service_is_a_member(uv: Path) -> None:
    """Only what the member itself needs."""
    member = uv / "services/worker"
    write(member / "pyproject.toml", "")
    write(uv / "uv.lock", UV + 'dependencies = [\n    { name = "idna" },\n]\n')
    remove(uv, "click-8.1.7")
    remove(uv, "idna-3.7")

    (finding,) = check(member, "../../.venv/bin/python app.py", stop_at=uv)

    assert finding.text == ".venv lacks 1 package of uv.lock: idna 3.7"
    assert finding.fix == "cd services/worker && uv sync"


POETRY_2 = """
[[package]]
name = "click"
version = "8.1.7"
optional = false
python-versions = ">=3.7"
groups = ["main", "dev"]
files = [
    {file = "click.whl", hash = "sha256:a"},
]

[package.dependencies]
colorama = {version = "*", markers = "platform_system == \\"Windows\\""}

[[package]]
name = "Colorama"
version = "0.4.6"
optional = false
groups = ["main"]
markers = "platform_system == \\"Windows\\""

[[package]]
name = "markupsafe"
version = "2.0"
optional = true
groups = ["main"]

[[package]]
name = "pytest"
version = "8.2.0"
optional = false
groups = ["dev"]
markers = {dev = "python_version >= \\"3.9\\""}

[[package]]
name = "ruff"
version = "0.5.0"
optional = false
groups = ["dev"]

[[package]]
name = "sphinx"
version = "7.0"
optional = false
groups = ["docs"]

[metadata]
lock-version = "2.1"
"""
POETRY_PROJECT = """
[tool.poetry.dependencies]
python = "^3.11"
Click = "^8"
markupsafe = {version = "*", optional = true}

[tool.poetry.group.dev.dependencies]
pytest = "*"
ruff = "*"

[tool.poetry.group.docs]
optional = true

[tool.poetry.group.docs.dependencies]
sphinx = "*"
"""


def old_poetry(text: str) -> str:
    """Return the lock file as Poetry 1 wrote it: without groups and markers of packages."""
    lines = [line for line in text.splitlines() if not line.startswith(("groups", "markers"))]
    return "\n".join(lines).replace('"2.1"', '"2.0"')


@pytest.mark.parametrize(("is_old", "fix"), [(False, "poetry sync"), (True, "poetry install --sync")])
def test_poetry_asks_for_main_and_required_groups(tmp_path: Path, is_old: bool, fix: str) -> None:
    """By the groups in the file since Poetry 2, by a walk from pyproject.toml before."""
    write(tmp_path / "pyproject.toml", POETRY_PROJECT)
    write(tmp_path / "poetry.lock", old_poetry(POETRY_2) if is_old else POETRY_2)
    make_environment(tmp_path / ".venv", "click-8.1.7", "pytest-8.2.0", "ruff-0.5.0")
    assert check(tmp_path, "poetry run app") == []

    remove(tmp_path, "click-8.1.7")
    remove(tmp_path, "ruff-0.5.0")
    (finding,) = check(tmp_path, "poetry run app")
    assert finding.details == ("click 8.1.7", "ruff 0.5.0")
    assert finding.fix == fix


def test_poetrys_own_environment_is_found_by_the_hash_in_its_name(tmp_path: Path) -> None:
    """It lies in a cache, where only the path of the project leads to it."""
    import base64
    import hashlib

    folder = tmp_path / "shop"
    write(folder / "poetry.lock", POETRY_2)
    digest = base64.urlsafe_b64encode(hashlib.sha256(str(folder).encode()).digest()).decode()[:8]
    make_environment(tmp_path / f".cache/pypoetry/virtualenvs/shop-{digest}-py3.11")

    (finding,) = check(folder, "poetry run app", HOME=str(tmp_path))

    assert f"shop-{digest}-py3.11 lacks 1 package" in finding.text


PDM = """
[metadata]
groups = ["default", "dev"]
lock_version = "4.5.0"

[[package]]
name = "click"
version = "8.1.7"
groups = ["default"]
dependencies = ["colorama; platform_system == \\"Windows\\""]

[[package]]
name = "colorama"
version = "0.4.6"
groups = ["default"]
marker = "platform_system == \\"Windows\\""

[[package]]
name = "markupsafe"
version = "2.0"
groups = ["extra"]

[[package]]
name = "pytest"
version = "8.2.0"
groups = ["dev"]
"""


def test_pdm_asks_for_default_and_development_groups(tmp_path: Path) -> None:
    """The environment is the one of the interpreter that PDM noted."""
    write(tmp_path / "pyproject.toml", "[dependency-groups]\ndev = ['pytest']\n")
    write(tmp_path / "pdm.lock", PDM)
    write(tmp_path / ".pdm-python", f"{tmp_path}/envs/one/bin/python")
    make_environment(tmp_path / "envs/one", "pytest-8.2.0")

    (finding,) = check(tmp_path, "pdm run app")

    assert finding.text == "envs/one lacks 1 package of pdm.lock: click 8.1.7"
    assert finding.fix == "pdm sync"


def test_pipenv_asks_for_its_default_section(tmp_path: Path) -> None:
    """`pipenv sync` leaves the development packages out."""
    write(
        tmp_path / "Pipfile.lock",
        {
            "default": {
                "click": {"version": "==8.1.7", "markers": "python_version >= '3.7'"},
                "colorama": {"version": "==0.4.6", "markers": "sys_platform == 'win32'"},
            },
            "develop": {"pytest": {"version": "==8.2.0"}},
        },
    )
    make_environment(tmp_path / ".venv", "click-8.1.6")

    (finding,) = check(tmp_path, "pipenv run app")

    assert finding.text == ".venv is older than Pipfile.lock: click 8.1.6 installed, 8.1.7 locked"
    assert finding.fix == "pipenv sync"


REQUIREMENTS = """
# what the service needs
--index-url https://pypi.example/simple
click==8.1.7 \\
    --hash=sha256:aa \\
    --hash=sha256:bb  # pinned
Flask_Login[extra] == 1.0
torch==2.1
uvicorn>=0.20
colorama==0.4.6 ; sys_platform == "win32"
maybe==1.0 ; extra == "x"
-e ./lib
./local-package
other @ https://example.com/other-1.0.whl
-r more/dev.txt
"""


def test_requirements_ask_for_their_pins(tmp_path: Path) -> None:
    """Spelling does not matter, nor a local label of the installed version; what is not pinned must be there."""
    write(tmp_path / "requirements.txt", REQUIREMENTS)
    write(tmp_path / "more/dev.txt", "pytest==8.*\n-r ../requirements.txt\n")
    installed = ("click-8.1.7", "flask_login-1.0.0", "torch-2.1.0+cpu", "uvicorn-0.3", "other-1.0", "pytest-8.1")
    make_environment(tmp_path / ".venv", *installed)
    assert check(tmp_path) == []

    for package in ("uvicorn-0.3", "pytest-8.1"):
        remove(tmp_path, package)
    (finding,) = check(tmp_path)
    assert finding.details == ("uvicorn", "pytest")
    assert finding.fix == "uv pip install --python .venv -r requirements.txt"


def test_fix_makes_the_environment_anew_when_it_is_broken(tmp_path: Path) -> None:
    """An installation alone could not."""
    write(tmp_path / "requirements.txt", "click==8.1.7\n")
    make_environment(tmp_path / ".venv")
    (tmp_path / ".venv/bin/python").unlink()

    (finding,) = check(tmp_path)

    assert finding.text == ".venv has no interpreter, and requirements.txt locks 1 package"
    assert finding.fix == "python3 -m venv --clear .venv && .venv/bin/pip install -r requirements.txt"


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"])
@pytest.mark.parametrize("text", ["[[package]\n", "package = 1\n", "<<<<<<< HEAD\n"])
def test_lock_file_is_unknown_when_it_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    """Damaged, of another form, or in an unfinished merge."""
    write(tmp_path / name, text)
    write(tmp_path / "pyproject.toml", "")
    make_environment(tmp_path / ".venv")

    (finding,) = check(tmp_path)

    assert (finding.id, finding.severity) == (f"lock-unreadable:{name}", Severity.UNKNOWN)


def test_lock_file_at_the_root_is_not_judged_when_the_program_is_unknown(uv: Path) -> None:
    """A service in Go below a Python project does not use its packages."""
    remove(uv, "click-8.1.7")
    (uv / "gateway").mkdir()

    assert check(uv / "gateway", "make dev", stop_at=uv) == []
    assert check(uv / "gateway", "npm start", stop_at=uv) == []
    assert check(uv / "gateway", "python app.py", stop_at=uv) != []
