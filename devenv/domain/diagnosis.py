"""What an early end means, read from exit status and last lines.

Pure. Invariant: every answer names the service, the values seen and one command.
"""

import re
import shlex

from devenv.domain.errors import DevenvError, PortHeld, StartFailed
from devenv.domain.model import ContainerRun, ProcessRun, Service, TaskRun

_TAKEN = re.compile(r"address already in use|EADDRINUSE|port \d+ is (already )?in use", re.IGNORECASE)
_NO_PROGRAM = re.compile(r"(?P<name>[\w./+-]+): (command )?not found")
_NO_MODULE = re.compile(r"No module named '?(?P<name>[\w.]+)")


def diagnose_end(
    service: Service, *, exit_code: int | None, after_s: float, tail: tuple[str, ...], was_ready: bool = False
) -> DevenvError:
    """Return the error for a service that ended though it should run, or for a task that failed."""
    verb = "complete" if isinstance(service.run, TaskRun) else "keep up" if was_ready else "start"
    what = f"cannot {verb} {service.name}"
    ended = f"`{shown_command(service)}` {describe_end(exit_code)} after {after_s:.1f} s"
    text = "\n".join(tail)
    if _TAKEN.search(text) and service.ports:
        numbers = ", ".join(str(port.number) for port in service.ports)
        why = f"{ended}: port {numbers} was taken between the check and the start"
        return PortHeld(what, why=why, fix=f"devenv ports {service.ports[0].number}", details=tail)
    again = f"or activate the environment that has it, then: devenv up {service.name}"
    if exit_code == 127 and (program := _NO_PROGRAM.search(text)):
        name = program["name"]
        return StartFailed(what, why=f"{ended}: {name} is not on PATH", fix=f"install {name}, {again}", details=tail)
    if module := _NO_MODULE.search(text):
        name = module["name"]
        return StartFailed(
            what, why=f"{ended}: Python has no module {name}", fix=f"install {name}, {again}", details=tail
        )
    return StartFailed(what, why=ended, fix=f"devenv logs {service.name}", details=tail)


def describe_end(exit_code: int | None) -> str:
    """Return how something ended: `exited with status 1`, `was ended by signal 9`."""
    if exit_code is None:
        return "ended while nobody watched"
    if exit_code < 0:
        return f"was ended by signal {-exit_code}"
    if exit_code == 137:
        return "exited with status 137 (killed: by hand, or out of memory)"
    return f"exited with status {exit_code}"


def as_written(argv: tuple[str, ...]) -> str:
    """Return a command as its user wrote it: text for the shell bare, a list as one would type it."""
    return argv[2] if argv[:2] == ("/bin/sh", "-c") else shlex.join(argv)


def shown_command(service: Service) -> str:
    """Return what runs, as the user wrote it."""
    match service.run:
        case ProcessRun(argv=argv) | TaskRun(argv=argv):
            return as_written(argv)
        case ContainerRun(image=image):
            return f"container {image}"
        case external:
            return external.url
