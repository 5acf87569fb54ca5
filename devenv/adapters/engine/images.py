"""The images of a Compose project: which are here, and getting the others.

Owns the choice between pull and build, and the words of a failure. Pulling and building is done by `image_worker`, a
process of its own. Must not know containers. Invariant: `prepare` ends, by itself, by its deadline or by being
cancelled, and takes the process that pulls with it.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from devenv.adapters.engine.compose import Compose, read_services
from devenv.adapters.engine.line import EngineLine, Refused, run_all
from devenv.adapters.engine.look import read_text
from devenv.app.ports import ReportProgress
from devenv.domain.errors import HostError
from devenv.domain.model import ComposeProject

AT_ONCE = 4
TOTAL_S = 3600.0
PULL_SILENCE_S = 180.0
BUILD_SILENCE_S = 900.0
_END_S = 1.0
_NOT_FOUND = 404

_UNREACHABLE = (
    r"connection refused|no such host|timeout|timed out|unreachable|deadline exceeded|connection reset|EOF|no route"
    r"|certificate|server gave HTTP response|dial tcp|Service Unavailable|Too Many Requests"
)
_CAUSES = (
    (r"no space left on device", "the disk is full", "docker system df"),
    (
        r"pull access denied",
        "the registry has no such image, or wants a login for it",
        "correct `image:` of {service}, or docker login",
    ),
    (r"unauthorized|authentication required|no basic auth|denied", "the registry wants a login", "docker login"),
    (
        r"manifest unknown|not found|does not exist|name unknown|invalid reference",
        "the registry has no such image",
        "correct `image:` of {service}",
    ),
    (_UNREACHABLE, "the registry cannot be reached", "docker pull {image}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One image to get, for the services that use it."""

    action: str
    service: str
    image: str


class Images:
    """The images of `project`'s services."""

    def __init__(self, project: ComposeProject, line: EngineLine, compose: Compose) -> None:
        self._project = project
        self._line = line
        self._compose = compose

    async def find_ids(self, services: Iterable[str]) -> Mapping[str, str]:
        """Return the id of each service's image, for those that are here."""
        specs = read_services(self._project)
        found = {name: await self._find_id(self._name_image(name, specs[name])) for name in services if name in specs}
        return {name: id_ for name, id_ in found.items() if id_}

    async def find_missing(self, services: Iterable[str]) -> tuple[str, ...]:
        """Return those of `services` whose image is not here."""
        names = tuple(services)
        here = await self.find_ids(names)
        return tuple(name for name in names if name not in here)

    async def prepare(self, services: tuple[str, ...], *, build: bool, report: ReportProgress) -> None:
        """Get what is missing, and with `build` build anew what can be built; raises HostError for the first failure.

        A further failure stands in its details. The other images are got all the same.
        """
        jobs = await self._plan(services, build=build, report=report)
        if not jobs:
            return
        turns = anyio.Semaphore(AT_ONCE)
        failures: list[HostError] = []

        async def get(job: _Job) -> None:
            async with turns:
                try:
                    await self._get(job, report)
                except HostError as error:
                    failures.append(error)

        await run_all([partial(get, job) for job in jobs])
        if failures:
            first = failures[0]
            details = tuple(f"{error.what}: {error.why}" for error in failures[1:])
            raise HostError(first.what, why=first.why, fix=first.fix, details=(*first.details, *details))

    async def _plan(self, services: tuple[str, ...], *, build: bool, report: ReportProgress) -> tuple[_Job, ...]:
        """Return one job for each image that has to be got."""
        specs, here = read_services(self._project), await self.find_ids(services)
        jobs: dict[str, _Job] = {}
        for name in services:
            spec = specs.get(name, {})
            image, policy = self._name_image(name, spec), str(spec.get("pull_policy", ""))
            if spec.get("build") and (build or policy == "build" or name not in here):
                jobs[image] = _Job(action="build", service=name, image=image)
            elif name not in here and policy == "never":
                why = f"image {image} is not here, and its pull_policy is `never`"
                raise HostError(f"cannot run {name}", why=why, fix=f"docker pull {image}")
            elif name not in here or policy == "always":
                jobs.setdefault(image, _Job(action="pull", service=name, image=image))
            else:
                report(name, "image is here", done=True)
        return tuple(jobs.values())

    async def _get(self, job: _Job, report: ReportProgress) -> None:
        report(job.service, f"{'building' if job.action == 'build' else 'pulling'} {job.image}")
        silence_s = BUILD_SILENCE_S if job.action == "build" else PULL_SILENCE_S
        lines: list[str] = []
        status = None
        with anyio.move_on_after(TOTAL_S):
            status = await self._run_worker(job, report, lines, silence_s)
        if status == 0:
            report(job.service, f"{job.image} is here", done=True)
        elif status is None:
            why = f"{job.image}: nothing heard for {silence_s:g} s; last: {lines[-1] if lines else 'nothing at all'}"
            raise HostError(f"cannot {job.action} the image of {job.service}", why=why, fix=f"docker pull {job.image}")
        else:
            raise describe_image_failure(job.action, job.service, job.image, lines)

    async def _run_worker(self, job: _Job, report: ReportProgress, lines: list[str], silence_s: float) -> int | None:
        """Return the worker's exit status, None where it went silent and was ended."""
        request = {
            "action": job.action,
            "service": job.service,
            "files": [*self._project.files, *filter(None, [self._compose.write_overlay()])],
            "directory": self._project.directory,
            "name": self._project.name,
            "profiles": self._project.profiles,
            "env_files": self._project.env_files,
        }
        process = await anyio.open_process(
            [sys.executable, "-m", "devenv.adapters.engine.image_worker", json.dumps(request)],
            env=self._compose.environment, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            return await _follow(process, job.service, report, lines, silence_s)
        finally:
            await _end(process)

    async def _find_id(self, image: str) -> str:
        try:
            return read_text(await self._line.ask(lambda client: client.inspect_image(image)), "Id") if image else ""
        except Refused as refused:
            if refused.status == _NOT_FOUND:
                return ""
            raise

    def _name_image(self, service: str, spec: Mapping[str, object]) -> str:
        return str(spec.get("image") or f"{self._project.name}-{service}")


def describe_image_failure(action: str, service: str, image: str, lines: list[str]) -> HostError:
    """Return the error for an image that could not be pulled or built, from the end of the worker's output."""
    complaint = next((line for line in reversed(lines) if line.strip()), "nothing was said")
    cause = complaint.replace("Error response from daemon: ", "")
    what = f"cannot {action} image {image} of service {service}"
    for pattern, meaning, fix in _CAUSES:
        if re.search(pattern, complaint, re.IGNORECASE) and action == "pull":
            return HostError(what, why=f"{meaning}: {cause}", fix=fix.format(service=service, image=image))
    fix = f"docker compose {action} {service}"
    return HostError(what, why=cause, fix=fix, details=tuple(lines[-20:-1]) if action == "build" else ())


async def _follow(
    process: Process, service: str, report: ReportProgress, lines: list[str], silence_s: float
) -> int | None:
    assert process.stdout is not None
    rest = ""
    received = TextReceiveStream(process.stdout, errors="replace")
    while True:
        chunk = None
        with anyio.move_on_after(silence_s) as silence:
            chunk = await anext(received, None)
        if silence.cancelled_caught:
            return None
        if chunk is None:
            return await process.wait()
        *whole, rest = (rest + chunk).split("\n")
        for line in filter(str.strip, whole):
            lines[:] = [*lines[-40:], line.strip()]
            report(service, line.strip())


async def _end(process: Process) -> None:
    """End the worker and the docker commands below it: they share a process group of their own."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with anyio.move_on_after(_END_S):
                    await process.wait()
                    break
        await process.aclose()
