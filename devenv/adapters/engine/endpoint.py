"""Where the engine is, and whether it answers, before any library is loaded.

Owns the choice of the endpoint (the docker command's own rules: DOCKER_HOST, then the context) and the first greeting.
Must not know containers. Invariant: an engine that cannot be reached is said within `GREETING_S`, with the reason that
the system gave.
"""

import errno
import hashlib
import http.client
import json
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from devenv.domain.errors import HostError

GREETING_S = 5.0
_DEFAULT = "unix:///var/run/docker.sock"
_WHAT = "cannot reach the Docker engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An engine's address; `chosen_by` says who named it. `tls` is a folder with ca.pem, cert.pem and key.pem."""

    url: str
    chosen_by: str
    tls: str = ""
    verify: bool = True

    @property
    def socket_path(self) -> str:
        """Return the path of its unix socket, '' where it has none."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """What the engine says of itself: its version and the newest API it speaks ('' where only the library can ask)."""

    version: str
    api: str


def find_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """Return the engine that the docker command would talk to."""
    if host := environment.get("DOCKER_HOST", ""):
        verify = bool(environment.get("DOCKER_TLS_VERIFY"))
        tls = environment.get("DOCKER_CERT_PATH", str(_config_folder(environment))) if verify else ""
        return Endpoint(url=host, chosen_by="DOCKER_HOST", tls=tls, verify=verify)
    context = environment.get("DOCKER_CONTEXT") or _read_current_context(environment)
    if not context or context == "default":
        return Endpoint(url=_DEFAULT, chosen_by="the default")
    return _read_context(environment, context)


def greet(endpoint: Endpoint) -> Greeting:
    """Ask the engine for its versions; blocks for at most `GREETING_S`, raises HostError with the reason."""
    if endpoint.tls:
        return Greeting(version="", api="")
    if endpoint.url.startswith("ssh://"):
        raise HostError(
            _WHAT,
            why=f"{endpoint.url} ({endpoint.chosen_by}): ssh:// is not supported",
            fix="ssh -N -L /tmp/docker.sock:/var/run/docker.sock HOST, then DOCKER_HOST=unix:///tmp/docker.sock",
        )
    answer, _ = _get(endpoint, "/_ping")
    version = re.search(r"/([\w.]+)", answer.headers.get("Server", ""))
    return Greeting(version=version[1] if version else "unknown", api=answer.headers.get("Api-Version", ""))


def list_running(endpoint: Endpoint) -> tuple[object, ...]:
    """Return the engine's running containers, as it describes them, without its library; raises HostError."""
    answer, body = _get(endpoint, "/containers/json")
    try:
        found = json.loads(body)
    except ValueError as error:
        raise describe_unreachable(endpoint, error) from error
    if answer.status != http.client.OK or not isinstance(found, list):
        raise HostError(_WHAT, why=f"it answered {answer.status} when asked for its containers", fix="docker ps")
    return tuple(found)


def describe_unreachable(endpoint: Endpoint, error: Exception) -> HostError:
    """Return the error to raise when the engine could not be talked to."""
    where = f"{endpoint.url} ({endpoint.chosen_by})"
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, TimeoutError):
        return HostError(_WHAT, why=f"{where} accepts the connection but does not answer", fix=_restart_command())
    match number:
        case errno.EACCES | errno.EPERM:
            fix = "sudo usermod -aG docker $USER, then log in again"
            return HostError(_WHAT, why=f"{where}: permission denied", fix=fix)
        case errno.ENOENT:
            return HostError(_WHAT, why=f"{where} does not exist: the engine is not running", fix=_start_command())
        case errno.ECONNREFUSED:
            return HostError(_WHAT, why=f"{where}: connection refused, nothing listens", fix=_start_command())
        case _:
            return HostError(_WHAT, why=f"{where}: {str(error) or type(error).__name__}", fix=_start_command())


def _get(endpoint: Endpoint, route: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = _connect(endpoint)
    try:
        connection.request("GET", route)
        answer = connection.getresponse()
        return answer, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise describe_unreachable(endpoint, error) from error
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(GREETING_S)
        self.sock.connect(self._path)


def _connect(endpoint: Endpoint) -> http.client.HTTPConnection:
    if endpoint.socket_path:
        return _UnixConnection(endpoint.socket_path, timeout=GREETING_S)
    parts = urlsplit(endpoint.url)
    try:
        return http.client.HTTPConnection(parts.hostname or "", parts.port or 2375, timeout=GREETING_S)
    except ValueError as error:
        raise describe_unreachable(endpoint, error) from error


def _config_folder(environment: Mapping[str, str]) -> Path:
    home = environment.get("HOME") or str(Path.home())
    return Path(environment.get("DOCKER_CONFIG") or f"{home}/.docker")


def _read_current_context(environment: Mapping[str, str]) -> str:
    return str(_read_json(_config_folder(environment) / "config.json").get("currentContext", ""))


def _read_context(environment: Mapping[str, str], name: str) -> Endpoint:
    digest = hashlib.sha256(name.encode()).hexdigest()
    contexts = _config_folder(environment) / "contexts"
    endpoints = _read_json(contexts / "meta" / digest / "meta.json").get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    if not isinstance(docker, dict) or not docker.get("Host"):
        raise HostError(_WHAT, why=f"the Docker context {name!r} does not exist", fix="docker context ls")
    tls = contexts / "tls" / digest / "docker"
    return Endpoint(
        url=str(docker["Host"]),
        chosen_by=f"context {name}",
        tls=str(tls) if tls.is_dir() else "",
        verify=not docker.get("SkipTLSVerify", False),
    )


def _read_json(path: Path) -> dict[str, object]:
    try:
        read = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}  # as the docker command does: no file or a broken one means no setting
    return read if isinstance(read, dict) else {}


def _start_command() -> str:
    return "start Docker Desktop, or: colima start" if sys.platform == "darwin" else "sudo systemctl start docker"


def _restart_command() -> str:
    return "restart Docker Desktop, or: colima restart" if sys.platform == "darwin" else "sudo systemctl restart docker"
