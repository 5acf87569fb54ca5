"""Runs a service's migration command: a snapshot first, then the command as it is written, then the gate.

Must not ask nor print. Invariants: nothing runs but the configured command; one that throws data away runs only where
its caller says that a person allowed it; the command ends when its caller is interrupted.
"""

import os
import re
import shlex
import signal
import subprocess
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

from devenv.adapters.snapshots.store import SnapshotStore
from devenv.adapters.snapshots.taking import Looks, RunGate, Say, find_database, opened, take_snapshot, translating
from devenv.adapters.snapshots.tools import Program, ask_program, find_docker
from devenv.domain.diagnosis import as_written
from devenv.domain.errors import DatabaseFailed, HostError, UsageError
from devenv.domain.findings import Verdict, blocks, encode_verdict
from devenv.domain.sizes import format_size
from devenv.domain.snapshots import Snapshot, Why
from devenv.domain.subject import Subject
from devenv.schema.ports import CannotLook

_TAIL = 20
_GRACE_S = 5.0
_SHOW_PID = 'echo $$; exec "$@"'
"""Tells the pid inside the container first: the end of `docker exec` does not end what it runs."""
_NO_DATABASE = "no-database"
_DESTRUCTIVE = (
    (r"--accept-data-loss\b", "--accept-data-loss drops columns and tables with what is in them"),
    (r"--force-reset\b", "--force-reset empties the database"),
    (r"\bmigrate\s+reset\b", "`migrate reset` empties the database"),
    (r"\b(db:|ecto\.|(dbmate|sqlx database) )(reset|drop)\b", "it drops the database"),
    (r"\balembic\b.*\bdowngrade\s+base\b", "`downgrade base` drops every table"),
    (r"\bflyway\b.*\bclean\b", "`clean` drops every table"),
    (r"\bmanage\.py\s+flush\b", "`flush` empties the database"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOutcome:
    """What a migration came to.

    `status` is the command's own, `tail` the end of what it wrote. `snapshot` is None where none was taken, `verdict`
    where no gate was asked or the command failed.
    """

    service: str
    command: tuple[str, ...]
    status: int
    tail: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    verdict: Verdict | None = None
    took_s: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Tell whether the command ran well and the gate is passed."""
        return self.status == 0 and (self.verdict is None or not blocks(self.verdict))


def migrate(
    subject: Subject,
    *,
    store: SnapshotStore,
    looks: Looks,
    run_gate: RunGate | None,
    say: Say,
    with_snapshot: bool = True,
    allow_destructive: bool = False,
) -> MigrateOutcome:
    """Snapshot, run the service's migration command, run the gate. Raises DevenvError before anything has run."""
    began = time.monotonic()
    command = find_command(subject, looks)
    harm = find_harm(command)
    if harm and not allow_destructive:
        raise UsageError(
            f"cannot run `{as_written(command)}` for {subject.service}",
            why=harm,
            fix=f"devenv migrate {subject.service} --allow-destructive",
        )
    with store.changing(subject.service), translating(f"cannot migrate {subject.service}", subject):
        snapshot = _take(subject, store, looks, say) if with_snapshot else None
        say(f"{subject.service}: running `{as_written(command)}`")
        status, tail = run_command(subject, command, say)
        verdict = run_gate(subject) if run_gate and status == 0 else None
    return MigrateOutcome(
        service=subject.service,
        command=command,
        status=status,
        tail=tail,
        snapshot=snapshot,
        verdict=verdict,
        took_s=time.monotonic() - began,
    )


def find_command(subject: Subject, looks: Looks) -> tuple[str, ...]:
    """Return the configured command, else the one of the service's migration tool. Raises UsageError."""
    if subject.rules.migrate:
        return subject.rules.migrate
    fix = "write `migrate: alembic upgrade head` under `schema:` in services.yaml"
    what = f"cannot migrate {subject.service}"
    try:
        with opened(subject, looks) as live:
            states = looks.read_records(subject, live)
    except CannotLook as silence:
        why = f"no command is configured, and its tool cannot be found: {silence.reason}"
        raise UsageError(what, why=why, fix=fix) from silence
    commands = list(dict.fromkeys(state.apply for state in states if state.apply))
    if len(commands) == 1:
        return tuple(shlex.split(commands[0]))
    why = "several tools could be meant: " + ", ".join(commands) if commands else "no command is configured or known"
    raise UsageError(what, why=why, fix=fix)


def find_harm(command: tuple[str, ...]) -> str:
    """Return why `command` throws data away, '' where nothing in it says so."""
    words = " ".join(command)
    return next((harm for pattern, harm in _DESTRUCTIVE if re.search(pattern, words)), "")


def run_command(subject: Subject, command: tuple[str, ...], say: Say) -> tuple[int, tuple[str, ...]]:
    """Run `command` in the service's folder and environment; return its status and the end of its output.

    Every line goes to `say` as it comes. Has no deadline of its own: it ends with its caller.
    """
    argv, folder, environment = _place(subject, command)
    kept: deque[str] = deque(maxlen=_TAIL)
    try:
        process = subprocess.Popen(
            argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        why = f"{error.strerror} ({folder or argv[0]})"
        raise HostError(f"cannot run `{as_written(command)}`", why=why, fix=f"command -v {argv[0]}") from error
    output = cast("IO[bytes]", process.stdout)
    inner_pid = output.readline().decode(errors="replace").strip() if subject.code.container else ""
    try:
        for raw in output:
            line = raw.decode(errors="replace").rstrip()
            kept.append(line)
            say(line)
        status = process.wait()
    finally:
        if process.poll() is None and inner_pid.isdigit():
            ask_program(Program(path="kill", container=subject.code.container), "-TERM", inner_pid)
        _end_group(process)
    return status, tuple(line for line in kept if line)


def encode_outcome(outcome: MigrateOutcome) -> dict[str, object]:
    """Return an outcome as plain data, for JSON."""
    return {
        "service": outcome.service,
        "command": list(outcome.command),
        "status": outcome.status,
        "tail": list(outcome.tail),
        "snapshot": outcome.snapshot.name if outcome.snapshot else None,
        "verdict": encode_verdict(outcome.verdict) if outcome.verdict else None,
        "is_ready": outcome.is_ready,
        "took_s": round(outcome.took_s, 3),
    }


def describe_failure(outcome: MigrateOutcome) -> DatabaseFailed:
    """Return the error of a command that failed, with the way back."""
    back = f"devenv migrate --rollback {outcome.service}" if outcome.snapshot else ""
    return DatabaseFailed(
        f"cannot migrate {outcome.service}",
        why=f"`{as_written(outcome.command)}` ended with status {outcome.status}",
        fix=f"mend it and repeat; to go back: {back}" if back else "mend it and repeat: devenv migrate",
        details=outcome.tail,
    )


def _take(subject: Subject, store: SnapshotStore, looks: Looks, say: Say) -> Snapshot | None:
    """Take the snapshot to go back to; None where there is no database yet, which the command may create."""
    try:
        find_database(subject, looks)
        with opened(subject, looks):
            pass
    except CannotLook as silence:
        if silence.code != _NO_DATABASE:
            raise
        say(f"{subject.service}: no snapshot, for {silence.reason}")
        return None
    snapshot = take_snapshot(subject, store=store, looks=looks, say=say, why=Why.MIGRATE)
    say(f"{subject.service}: kept what is there now as {snapshot.name} ({format_size(snapshot.size_bytes)})")
    return snapshot


def _place(subject: Subject, command: tuple[str, ...]) -> tuple[list[str], str | None, dict[str, str]]:
    """Return the program line, folder and environment; a container has both of its own."""
    if subject.code.container:
        words = ["sh", "-c", _SHOW_PID, "sh", *command]
        return [find_docker(), "exec", subject.code.container, *words], None, dict(os.environ)
    return list(command), subject.code.folder, dict(subject.code.environment)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the command: all of its group, gently first."""
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
            return
