"""The Docker engine as the tests see it, beside and without devenv: what runs, what is left, and the docker command.

Must not know devenv. Invariant: removes only what carries the Compose project of this test run.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import docker
import requests
from docker.errors import APIError, DockerException

from tests.support import images

PROJECT_LABEL = "com.docker.compose.project"
_CALL_TIMEOUT_S = 30


class NoEngineError(Exception):
    """No engine answers, or it lacks the fixture images; the text says what to run."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Resource:
    """A container, network or volume of a Compose project."""

    kind: str
    name: str
    project: str

    def __str__(self) -> str:
        """Read as in a report."""
        return f"{self.kind} {self.name} of project {self.project}"


class Engine:
    """The low-level Engine API (`api`) and the docker command (`run_docker`, `run_compose`)."""

    def __init__(self, api: docker.APIClient) -> None:
        self.api = api

    def run_docker(self, *arguments: str, cwd: Path | None = None, deadline_s: float = 60.0) -> str:
        """Run `docker ARGUMENTS` and return its stdout; raises AssertionError with its stderr if it fails."""
        done = subprocess.run(
            ["docker", *arguments], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=deadline_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"docker {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def run_compose(self, project: str, file: Path, *arguments: str, deadline_s: float = 60.0) -> str:
        """Run `docker compose` on a file under a project name; else as `run_docker`."""
        where = ("compose", "-p", project, "-f", str(file))
        return self.run_docker(*where, *arguments, cwd=file.parent, deadline_s=deadline_s)

    def list_resources(self, prefix: str) -> set[Resource]:
        """Return the containers, networks and volumes whose Compose project starts with `prefix`."""
        labelled = {"label": PROJECT_LABEL}
        containers = cast("list[dict[str, object]]", self.api.containers(all=True, filters=labelled))
        networks = cast("list[dict[str, object]]", self.api.networks(filters=labelled))
        volumes = cast("list[dict[str, object]]", self.api.volumes(filters=labelled)["Volumes"] or [])
        found = [_as_resource("container", c, cast("list[str]", c["Names"])[0].lstrip("/")) for c in containers]
        found += [_as_resource("network", n, str(n["Name"])) for n in networks]
        found += [_as_resource("volume", v, str(v["Name"])) for v in volumes]
        return {resource for resource in found if resource.project.startswith(prefix)}

    def remove(self, resources: set[Resource]) -> None:
        """Remove these, containers first; what has gone meanwhile is no error."""
        for resource in sorted(resources, key=lambda r: r.kind):
            try:
                match resource.kind:
                    case "container":
                        self.api.remove_container(resource.name, force=True, v=True)
                    case "network":
                        self.api.remove_network(resource.name)
                    case _:
                        self.api.remove_volume(resource.name, force=True)
            except APIError as error:
                if error.status_code != requests.codes.not_found:
                    raise

    def close(self) -> None:
        """Close the connections."""
        self.api.close()


def connect() -> Engine:
    """Return the engine at DOCKER_HOST or the usual socket; raises NoEngineError."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    absent = f"no Docker engine answers at {host}: `make test` starts one, as does tests/engine/engine.sh start"
    if not _accepts(host):
        raise NoEngineError(absent)
    try:
        return Engine(docker.APIClient(base_url=host, version="auto", timeout=_CALL_TIMEOUT_S))
    except DockerException as error:
        raise NoEngineError(absent) from error


def require_images(engine: Engine) -> None:
    """Raise NoEngineError where a fixture image is absent."""
    present = {tag for image in engine.api.images() for tag in image["RepoTags"] or []}
    absent = [name for name in images.ALL if name not in present and f"{name}:latest" not in present]
    if absent:
        raise NoEngineError(f"the engine lacks {', '.join(absent)}: run tests/engine/images.sh")


def _accepts(host: str) -> bool:
    """Say whether a unix socket has a listener, as the library leaks a socket for one that has not."""
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex(host.removeprefix("unix://")) == 0


def _as_resource(kind: str, raw: dict[str, object], name: str) -> Resource:
    labels = cast("dict[str, str] | None", raw.get("Labels")) or {}
    return Resource(kind=kind, name=name, project=labels.get(PROJECT_LABEL, ""))
