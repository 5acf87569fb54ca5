"""A Docker engine that one test has for itself: what would be everybody's on the shared one can be removed on it.

Must not know devenv. Invariant: when the `with` ends, the engine, its containers, networks and mounts are gone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from tests.support.engine import Engine
from tests.support.wait import until

START_S = 30.0
END_S = 30.0


class OwnEngine(Engine):
    """An engine behind a socket of its own; the docker command is led to it as well."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/d.sock"
        self._log = log
        self._api: docker.APIClient | None = None

    @property
    def api(self) -> docker.APIClient:  # type: ignore[override]
        """Return the client, made on first use: before, nobody listens."""
        if self._api is None:
            self._api = docker.APIClient(base_url=self.url, version="auto", timeout=60)
        return self._api

    @property
    def environment(self) -> dict[str, str]:
        """Return what leads the docker command here."""
        return {**os.environ, "DOCKER_HOST": self.url}

    def run_docker(self, *arguments: str, cwd: Path | None = None, deadline_s: float = 60.0) -> str:
        """Run `docker ARGUMENTS` on this engine."""
        done = subprocess.run(
            ["docker", *arguments], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=deadline_s, check=False, env=self.environment,
        )  # fmt: skip
        assert done.returncode == 0, f"docker {' '.join(arguments)}: exit {done.returncode}\n{done.stderr}"
        return done.stdout.strip()

    def close(self) -> None:
        """Close the connections, if there are any."""
        if self._api is not None:
            self._api.close()


@contextmanager
def own_engine(shared: Engine, *images: str) -> Iterator[OwnEngine]:
    """Start an engine with copies of `images` of the shared one."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.fail(
            "this test starts an engine of its own, which needs root and dockerd: sudo make test", pytrace=False
        )
    folder = Path(tempfile.mkdtemp(prefix="dve"))  # pytest's own are too long for a socket
    log = folder / "log"
    made = OwnEngine(folder, log)
    # In a network namespace of its own: `--bridge=none` deletes docker0, which is the shared engine's.
    command = [
        "unshare", "--net", "--",
        "dockerd", "--host", made.url, "--data-root", str(folder / "data"), "--exec-root", str(folder / "exec"),
        "--pidfile", str(folder / "pid"), "--bridge=none", "--iptables=false", "--ip-masq=false",
    ]  # fmt: skip
    with log.open("wb") as output:
        daemon = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: _answers(made, daemon), deadline_s=START_S, what="an engine of the test's own")
        for image in images:
            _copy(shared, made, image)
        yield made
        _empty(made)
    finally:
        made.close()
        daemon.terminate()
        try:
            daemon.wait(END_S)
        finally:
            daemon.kill()
            daemon.wait()
        shutil.rmtree(folder)


def _answers(made: OwnEngine, daemon: subprocess.Popen[bytes]) -> bool:
    assert daemon.poll() is None, (made.folder / "log").read_text()[-2000:]
    done = subprocess.run(["docker", "version"], env=made.environment, capture_output=True, check=False, timeout=10)
    return done.returncode == 0


def _copy(shared: Engine, made: OwnEngine, image: str) -> None:
    del shared
    saved = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
    with saved:
        subprocess.run(
            ["docker", "load", "-q"],
            stdin=saved.stdout,
            env=made.environment,
            check=True,
            capture_output=True,
            timeout=60,
        )
    assert saved.returncode == 0


def _empty(made: OwnEngine) -> None:
    """Remove containers and networks: their interfaces would outlive the engine."""
    for container in made.api.containers(all=True):
        made.api.remove_container(container["Id"], force=True, v=True)
    made.api.prune_networks()
