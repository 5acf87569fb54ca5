"""The process that checks for the daemon: one request on standard input, one verdict on standard output.

Must not decide anything. Invariant: it ends when its asker closes standard input, and takes along what it started.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from devenv.adapters.inspector import END_S
from devenv.daemon.inspection import find_missing_tables, inspect_now, migrate_now, place_server
from devenv.domain.findings import Verdict, encode_verdict
from devenv.domain.subject import decode_subject

_LOOK_END_S = 2.0
"""A check has nothing to clean up but its probe, which ends with us."""


def main() -> None:
    """Answer the request."""
    request: dict[str, Any] = json.loads(_read_line())
    answers = os.dup(1)
    os.dup2(2, 1)  # nothing that is printed on the way can be mistaken for the answer
    # the one thread of its own: the work below blocks in drivers, and only a thread can hear that nobody waits any more
    threading.Thread(target=_end_with_asker, args=(request["verb"],), daemon=True).start()
    status = 0
    try:
        verdict = answer(request)
        _write_all(answers, json.dumps({"verdict": encode_verdict(verdict)}).encode())
    except BaseException as error:  # noqa: BLE001 - the boundary of this process: a bug is told in one line
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the asker listens
        status = 1
    os._exit(status)


def answer(request: dict[str, Any]) -> Verdict:
    """Make the check that `request` asks for."""
    subject, state_dir = place_server(decode_subject(request["subject"])), Path(request["state_dir"])
    match request["verb"]:
        case "tables":
            return find_missing_tables(subject, state_dir)
        case "migrate":
            return migrate_now(subject, state_dir, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
        case _:
            return inspect_now(subject, state_dir)


def _read_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n") and (chunk := os.read(0, 65536)):
        line += chunk
    return bytes(line)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _end_with_asker(verb: str) -> None:
    """Wait for the end of standard input, then end like Ctrl-C would: clean-ups run, for so long and no longer."""
    while os.read(0, 4096):  # not through `sys.stdin`, whose lock a dying interpreter wants
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(END_S if verb == "migrate" else _LOOK_END_S)
    os._exit(130)


if __name__ == "__main__":
    main()
