"""A copy of the example stack under another name and on other ports."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.support.daemon import Devenv
from tests.support.ports import take_ports

ROOT = Path(__file__).parents[2]
PROCESSES = {"api": 8000, "signup": 8002, "docs": 3000, "bouncer": 8080, "web": 5173}
ALL = ("postgres", "redis", "migrate", *PROCESSES)


def copy_example(project: Devenv) -> dict[str, int]:
    """Put the example into the project's folder; return each service's port."""
    for folder in ("compose", "examples"):
        shutil.copytree(ROOT / folder, project.folder / folder, ignore=shutil.ignore_patterns("__pycache__"))
    ports = dict(zip(("postgres", "redis", *PROCESSES), take_ports(7), strict=True))
    text = re.sub(r"^name: .*", f"name: {project.name}", (ROOT / "services.yaml").read_text(), flags=re.MULTILINE)
    for name, number in PROCESSES.items():
        assert f"ports: [{number}]" in text
        text = text.replace(f"ports: [{number}]", f"ports: [{ports[name]}]")
    project.write(text)
    project.env |= {"POSTGRES_HOST_PORT": str(ports["postgres"]), "REDIS_HOST_PORT": str(ports["redis"])}
    return ports
