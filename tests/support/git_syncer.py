"""Runs syncs in children of a small process that has loaded devenv once: `python -m tests.support.git_syncer`.

Reads jobs (pickles of rules, environment, whether it is a dry run, and a file for the answer) from standard input; says
the child's pid when it is there, and how it ended, a line each. Invariant: a child may be killed at any time; only one
that ended by itself leaves an answer.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.domain.git_rules import GitRules
    from devenv.domain.syncing import SyncReport

DEADLINE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a sync ended: a report, or the name of what it raised with its words, or neither where it was killed."""

    report: SyncReport | None = None
    raised: str = ""
    words: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Syncer:
    """The process that forks; `sync` runs one sync to its end."""

    process: subprocess.Popen[bytes]

    def sync(self, rules: GitRules, environment: Mapping[str, str], answer: Path, *, dry_run: bool = False) -> Answer:
        """Run a sync in a child and return how it ended; one that takes for ever is ended by SIGALRM."""
        answer.unlink(missing_ok=True)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump((rules, dict(environment), str(answer), dry_run), self.process.stdin)
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        if not answer.exists():
            return Answer(status=status)
        report, raised, words = pickle.loads(answer.read_bytes())
        return Answer(report=report, raised=raised, words=words, status=status)


@contextmanager
def open_syncer() -> Iterator[Syncer]:
    """Give a syncer; it has ended when the `with` ends."""
    words = [sys.executable, "-m", __name__]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Syncer(process=process)


def main() -> None:
    """Fork for every job until there are no more."""
    import devenv.daemon.syncing  # noqa: F401 - loaded once, for all children

    while True:
        try:
            rules, environment, answer, dry_run = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        child = os.fork()
        if child == 0:
            _sync(rules, environment, Path(answer), dry_run=dry_run)
        _, ended = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(ended), flush=True)


def _sync(rules: GitRules, environment: Mapping[str, str], answer: Path, *, dry_run: bool) -> None:
    from devenv.daemon.syncing import run_sync

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(DEADLINE_S)
    os.environ.clear()
    os.environ.update(environment)
    report, raised, words = None, "", ""
    try:
        report = run_sync(rules, environment=environment, say=lambda _: None, ask=None, dry_run=dry_run)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the test judges it
        raised, words = type(error).__name__, "".join(traceback.format_exception(error))
    beside = answer.with_suffix(".part")
    beside.write_bytes(pickle.dumps((report, raised, words)))
    beside.rename(answer)
    os._exit(0)


if __name__ == "__main__":
    main()
