"""Checks of databases and models, each as a process of its own.

A check loads drivers, reads thousands of rows and runs the user's code: in a process it can be ended with all that it
started, and the daemon keeps neither its memory nor its pauses. Must not know what a check does (`daemon.inspection`
does). Invariant: whatever happens to the process, the answer is a verdict; it ends with its asker, whose death it
learns from its standard input.
"""

import contextlib
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from devenv.domain.findings import Finding, Severity, Topic, Verdict, decode_finding, decode_verdict
from devenv.domain.subject import Subject, encode_subject
from devenv.lockfiles.check import check_locks, looks_locked

CHECK_S = 90.0
"""Longer than the deadlines inside: models may take a minute to import."""

MIGRATE_S = 3600.0
END_S = 15.0
"""A migration ends its command and its dump within this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInspector:
    """Runs `python -m MODULE`; `state_dir` is where snapshots and remembered models lie."""

    module: str
    state_dir: str

    async def check(self, subject: Subject) -> Verdict:
        """Compare models, database and migration records."""
        answer = await self._ask("check", subject, CHECK_S, _ignore)
        return decode_verdict(answer["verdict"])

    async def migrate(self, subject: Subject, say: Callable[[str], None]) -> Verdict:
        """Take a snapshot, run the configured command, and check again."""
        answer = await self._ask("migrate", subject, MIGRATE_S, say)
        return decode_verdict(answer["verdict"])

    async def find_missing_tables(self, subject: Subject) -> Finding | None:
        """Return what an import lacks."""
        answer = await self._ask("tables", subject, CHECK_S, _ignore)
        findings = answer["verdict"]["findings"]
        return decode_finding(findings[0]) if findings else None

    async def check_locks(self, subject: Subject) -> tuple[Finding, ...]:
        """Look at the lock files, in a thread; most services have none."""
        if subject.code.container:
            return ()
        folder, top = Path(subject.code.folder), Path(subject.repository)
        if not looks_locked(folder, top):
            return ()
        look = partial(check_locks, folder, environment=subject.code.environment, argv=subject.code.argv, stop_at=top)
        return await anyio.to_thread.run_sync(look)

    async def _ask(self, verb: str, subject: Subject, limit_s: float, say: Callable[[str], None]) -> dict[str, Any]:
        request = {"verb": verb, "state_dir": self.state_dir, "subject": encode_subject(subject)}
        said: list[str] = []
        answer = b""
        with anyio.move_on_after(limit_s) as limit:
            answer = await _converse(self.module, json.dumps(request).encode() + b"\n", said, say)
        try:
            document: dict[str, Any] = json.loads(answer)
        except ValueError:
            why = f"it did not end within {limit_s:g} s" if limit.cancelled_caught else " ".join(said[-3:])
            document = {"verdict": _encode_failure(subject.service, why or "it ended without an answer")}
        return document


async def _converse(module: str, request: bytes, said: list[str], say: Callable[[str], None]) -> bytes:
    process = await anyio.open_process([sys.executable, "-P", "-m", module], start_new_session=True)
    answer = bytearray()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_listen, process, said, say)
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(anyio.BrokenResourceError):
                await process.stdin.send(request)  # stays open: its end says that nobody waits any more
            async for chunk in process.stdout:
                answer += chunk
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
    return bytes(answer)


async def _listen(process: Process, said: list[str], say: Callable[[str], None]) -> None:
    assert process.stderr is not None
    rest = ""
    async for text in TextReceiveStream(process.stderr, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        for line in filter(None, lines):
            said.append(line)
            del said[:-20]
            say(line)


async def _end(process: Process) -> None:
    """Let it end by itself, which takes down what it started; then be hard."""
    if process.stdin is not None:
        await process.stdin.aclose()
    with anyio.move_on_after(END_S + _MORE_S):
        await process.wait()
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await process.aclose()


_MORE_S = 1.0


def _encode_failure(service: str, why: str) -> dict[str, object]:
    from devenv.domain.findings import encode_verdict  # noqa: PLC0415 - only when something is wrong

    finding = Finding(
        id="check-failed",
        severity=Severity.UNKNOWN,
        topic=Topic.DATABASE,
        text=f"the check of {service} failed: {why}",
        fix=f"devenv check {service}",
    )
    return encode_verdict(Verdict(service=service, findings=(finding,)))


def _ignore(line: str) -> None:
    del line
