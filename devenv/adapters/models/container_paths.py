"""Where the files of a question lie inside the container that their code runs in.

Asks the docker command for the container's mounts and working directory. Must not know probes. Invariant: a path that
does not exist on this machine is taken for one of the container already.
"""

import json
import os
import posixpath
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devenv.schema.ports import CannotLook, ModelQuestion

_ASK_S = 10.0
_FORMAT = '{"mounts": {{json .Mounts}}, "folder": {{json .Config.WorkingDir}}}'
_DESKTOP = "/host_mnt"  # Docker Desktop shows this machine's folders below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A container's working directory, and its mounts as (path here, path there), the deepest first."""

    folder: str
    mounts: Sequence[tuple[str, str]]

    def find(self, path: str) -> str:
        """Return where a path of this machine is mounted, '' for nowhere."""
        for here, there in self.mounts:
            if path == here or path.startswith(f"{here.rstrip('/')}/"):
                return posixpath.normpath(posixpath.join(there, path[len(here) :].lstrip("/")))
        return ""


def place_inside(question: ModelQuestion) -> ModelQuestion:
    """Return `question` with the container's own paths; raises CannotLook where the container cannot be asked.

    What is not mounted was copied when the image was built: it is looked for in the image's working directory, at the
    same place as in the service's folder here.
    """
    inside = _look(question.place.container)
    outer = question.place.folder
    folder = outer if not os.path.exists(outer) else inside.find(outer) or inside.folder  # noqa: PTH110 - text in and out

    def find(path: str) -> str:
        if not path or not Path(path).exists():
            return path
        return inside.find(path) or posixpath.join(inside.folder, os.path.relpath(path, outer))

    return replace(
        question,
        place=replace(question.place, folder=folder),
        alembic_ini=find(question.alembic_ini),
        manage_py=find(question.manage_py),
    )


def _look(container: str) -> Inside:
    try:
        asked = subprocess.run(
            ["docker", "inspect", "--type", "container", "--format", _FORMAT, container],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotLook("there is no docker command", code="no-docker", fix="docker version") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotLook(f"docker inspect: {error}", code="no-docker", fix="docker version") from error
    if asked.returncode != 0:
        said = (asked.stderr.strip().splitlines() or ["no answer"])[-1]
        raise CannotLook(
            f"the models cannot be read in the container {container[:12]}: {said}",
            code="no-container",
            fix=f"docker ps -a --filter id={container[:12]}",
        )
    found = json.loads(asked.stdout)
    mounts = [
        (str(mount["Source"]).removeprefix(_DESKTOP), str(mount["Destination"]))
        for mount in found["mounts"]
        if mount["Type"] == "bind"
    ]
    return Inside(folder=found["folder"] or "/", mounts=sorted(mounts, key=lambda one: -len(one[0])))
