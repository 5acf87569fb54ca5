"""The engine's refusals in plain words.

Pure: text in, DevenvError out. Must not know how the engine was asked. Invariant: the engine's own cause is always part
of the error, less its wrapping and hashes; the texts are those of Docker 20.10 to 28, Docker Desktop and Podman.
"""

import re
from dataclasses import dataclass

from devenv.domain.errors import DevenvError, HostError, PortHeld, StartFailed

_PORT_HELD = re.compile(r"port is already allocated|address already in use|ports are not available", re.IGNORECASE)
_ENGINE_GONE = re.compile(r"error during connect|cannot connect to the docker daemon", re.IGNORECASE)
_PORT_REFUSED = re.compile(r"bind: permission denied|cannot expose privileged port", re.IGNORECASE)
# The first of the engine's texts that names the host's side: "Bind for 0.0.0.0:80 failed", "listen tcp4 [::]:80",
# "failed to bind host port for 0.0.0.0:80:172.18.0.2:80/tcp", "exposing port TCP 0.0.0.0:80 -> ...".
_HOST_PORT = re.compile(
    r"(?:bind for|listen (?:tcp|udp)[46]?|host port for|bind host port|exposing port \w+|privileged port)\s+"
    r"(?:\[?[\da-f.:]*?\]?:)?(\d+)\b",
    re.IGNORECASE,
)
_WRAPPING = re.compile(
    r"^(?:error response from daemon: |driver failed programming external connectivity on endpoint \S+ \(\w+\): "
    r"|failed to set up container networking: |failed to create (?:task for container|shim task|shim): "
    r"|(?:failed to create task for container: )?OCI runtime create failed: |container_linux\.go:\d+: "
    r"|(?:runc|crun) create failed: |unable to start container process: |starting container process caused: "
    r"|process_linux\.go:\d+: |container init caused: |error during container init: |rootfs_linux\.go:\d+: "
    r"|invalid mount config for type \"bind\": )+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """A kind of refusal: what it looks like, and what mends it."""

    looks_like: re.Pattern[str]
    fix: str


def _fault(pattern: str, fix: str) -> _Fault:
    return _Fault(looks_like=re.compile(pattern, re.IGNORECASE), fix=fix)


_FAULTS = (
    _fault(r"bind source path does not exist|creating mount source path", "create the folder that it mounts"),
    _fault(r"mount a directory onto a file|not a directory", "mount a file on a file and a folder on a folder"),
    _fault(r"network \S+ not found", "devenv up --force-recreate {service}"),
    _fault(r"no such image|image .* not found", "devenv up --build {service}"),
    _fault(r"executable file not found|no such file or directory.*: unknown|exec format error", "correct `command` or "
           "`entrypoint` of {service}, or the image's architecture"),
    _fault(r"permission denied", "make the file executable, or correct `command` of {service}"),
    _fault(r"address pools|non-overlapping", "docker network prune"),
    _fault(r"no space left on device", "docker system df, then docker system prune"),
    _fault(r"is already in use by container|conflict", "docker rm the container of that name"),
)  # fmt: skip


def describe_start_failure(service: str, text: str) -> DevenvError:
    """Return the error for a start that the engine refused with `text`."""
    cause = unwrap(text)
    what = f"cannot start {service}"
    if _PORT_HELD.search(text):
        port = find_port(text)
        named = f"port {port}" if port else "a port that it publishes"
        fix = f"devenv ports {port}" if port else "devenv ports"
        return PortHeld(f"{what}: {named} is held", why=cause, fix=fix)
    if _PORT_REFUSED.search(text):
        named = f"port {find_port(text)}" if find_port(text) else "a port below 1024"
        return StartFailed(f"{what}: the engine may not listen on {named}", why=cause, fix="publish a port above 1023")
    return StartFailed(what, why=cause, fix=_find_fix(service, text))


def describe_create_failure(text: str) -> DevenvError:
    """Return the error for containers that Compose or the engine could not make."""
    if _ENGINE_GONE.search(text):
        return HostError("cannot create the containers", why=f"the Docker engine went away: {text}", fix="docker info")
    return StartFailed("cannot create the containers", why=unwrap(text), fix=_find_fix("SERVICE", text))


def find_port(text: str) -> int | None:
    """Return the host port that the engine's text names."""
    found = _HOST_PORT.search(text)
    return int(found[1]) if found else None


def unwrap(text: str) -> str:
    """Return the engine's cause without the layers around it."""
    bare = _WRAPPING.sub("", text.strip())
    return bare.removesuffix(": unknown").strip() or text.strip()


def _find_fix(service: str, text: str) -> str:
    fix = next((fault.fix for fault in _FAULTS if fault.looks_like.search(text)), "docker compose logs {service}")
    return fix.format(service=service)
