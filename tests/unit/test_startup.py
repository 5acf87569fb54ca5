"""Start-up is a feature: what a read-only command must not load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset({
    "pydantic", "yaml", "rich", "anyio", "asyncio", "starlette", "uvicorn", "httpx", "psutil", "docker",
    "python_on_whales", "requests", "watchfiles", "pg8000", "pymysql", "redis",
})  # fmt: skip
PROGRAM = """
import sys
from devenv.cli.entry import run
status = run(sys.argv[1:])
sys.stdout.flush()
print("\\n" + __import__("json").dumps([status, sorted(sys.modules)]))
"""


@pytest.mark.usefixtures("real_subprocess")
@pytest.mark.parametrize(
    "arguments", [["status", "--json"], ["status"], ["version"], ["--help"], ["logs", "--help"], ["logs"]], ids=" ".join
)
def test_nothing_heavy_is_loaded_when_a_command_only_looks(tmp_path: Path, arguments: list[str]) -> None:
    """The whole run of the command, from its first import to its exit."""
    (tmp_path / "services.yaml").write_text("services: {web: {command: serve}}\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
    environment |= {"DEVENV_STATE_DIR": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status, modules = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert HEAVY & {name.split(".")[0] for name in modules} == set()
    if arguments[0] == "status":
        assert {"typer", "subprocess", "platformdirs"} & set(modules) == set()
