"""Stacks of processes: against honcho and circus, against a plain file, and against the services' own clocks.

Must not know how devenv does it. Invariant: what a contestant started is recognised by an argument that nothing else
on this machine has, so that leftovers are counted, and only those are ended.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.bench.lab import PROGRAMS, Failed, Lab, wait_until
from tests.bench.rows import Row, compare, middle, percentile, show_ms

MANY = 100
LAG_SAMPLES = 60
_LAG_AT_ONCE = 4
_SETTLE_S = 1.0
"""honcho does not end at all when it is told to before it has heard of all its children."""
_STOP_S = 0.6
_TOLD_MB = 200.0


def run_many(lab: Lab) -> list[Row]:
    """Case 8: 100 processes with a grandchild each, which do nothing."""
    contestants: dict[str, Callable[[], tuple[float, float, float, int]]] = {
        "devenv": lambda: _many_devenv(lab),
        "honcho": lambda: _many_peer(lab, "honcho"),
        "circus": lambda: _many_peer(lab, "circus"),
    }
    seen: dict[str, list[tuple[float, float, float, int]]] = {}
    for _ in range(lab.rounds):
        for name in lab.shuffled(contestants):
            seen.setdefault(name, []).append(contestants[name]())
    rows: list[Row] = []
    started, told, ended = ({name: [one[at] for one in seen[name]] for name in seen} for at in range(3))
    for peer in ("honcho", "circus"):
        rows.append(_compare_many("up to all started", started, peer))
        rows.append(_compare_many("down to none left", ended, peer))
    left = {name: max(one[3] for one in seen[name]) for name in seen}
    detail = ", ".join(f"{name} {count}" for name, count in left.items())
    rows.append(
        Row(case="many", what="processes left of 200", value=left["devenv"], limit=0, unit="left", detail=detail)
    )
    detail = f"devenv {show_ms(told['devenv'])} ms"
    rows.append(Row(case="many", what="`up` says ready", value=middle(told["devenv"]), unit="s", detail=detail))
    return rows


def _compare_many(what: str, samples: dict[str, list[float]], peer: str) -> Row:
    return compare("many", f"100 processes, {what}", ("devenv", samples["devenv"]), (peer, samples[peer]), 1.0)


def _many_devenv(lab: Lab) -> tuple[float, float, float, int]:
    mark = _new_mark()
    folder = lab.stack(f"many-{mark}", also={"Procfile": _procfile(lab, mark)})
    project = f"{lab.prefix}p{mark[-4:]}"
    up = lab.devenv(folder, project, "up")
    try:
        began = time.monotonic()
        command = lab.spawn(up, folder)
        started = _await_started(folder) - began
        if command.wait(60) != 0:
            raise Failed("devenv up of 100 processes failed")
        told = time.monotonic() - began
        time.sleep(_SETTLE_S)
        began = time.monotonic()
        lab.run(lab.devenv(folder, project, "down"), folder)
        ended = _await_gone(mark) - began
        return started, told, ended, len(_find_marked(mark))
    finally:
        _end_marked(mark)


def _many_peer(lab: Lab, peer: str) -> tuple[float, float, float, int]:
    """Run a peer in the foreground, end it by TERM, and see what it leaves."""
    mark = _new_mark()
    folder = lab.stack(f"many-{mark}", also={"Procfile": _procfile(lab, mark), "circus.ini": _circus_ini(lab, mark)})
    argv = {
        "honcho": [str(Path(sys.executable).with_name("honcho")), "start", "-f", "Procfile"],
        "circus": [str(Path(sys.executable).with_name("circusd")), "circus.ini"],
    }[peer]
    try:
        began = time.monotonic()
        manager = lab.spawn(argv, folder)
        started = _await_started(folder) - began
        time.sleep(_SETTLE_S)
        began = time.monotonic()
        manager.terminate()
        manager.wait(60)
        told = time.monotonic()
        gone = _await_gone(mark, limit_s=1.0)
        return started, started, max(told, gone) - began, len(_find_marked(mark))
    finally:
        _end_marked(mark)


def _new_mark() -> str:
    """Return a number of seconds that nobody else sleeps."""
    return f"{random.randrange(10**5, 10**6)}.{os.getpid() % 10**4:04d}"


def _command(folder: Path, mark: str) -> str:
    return f"echo >> {folder}/started; sleep {mark} & exec sleep {mark}"


def _procfile(lab: Lab, mark: str) -> str:
    folder = lab.folder / f"many-{mark}"
    return "".join(f"p{number}: {_command(folder, mark)}\n" for number in range(MANY))


def _circus_ini(lab: Lab, mark: str) -> str:
    script = lab.folder / f"many-{mark}" / "child.sh"
    script.parent.mkdir(exist_ok=True)
    script.write_text(_command(script.parent, mark) + "\n")
    head = f"[circus]\nendpoint = ipc://{script.parent}/endpoint\npubsub_endpoint = ipc://{script.parent}/pubsub\n"
    return head + "".join(f"\n[watcher:p{number}]\ncmd = /bin/sh {script}\n" for number in range(MANY))


def _await_started(folder: Path) -> float:
    note = folder / "started"
    return wait_until(lambda: note.exists() and note.stat().st_size >= MANY)


def _await_gone(mark: str, *, limit_s: float = 20.0) -> float:
    with suppress(Failed):
        return wait_until(lambda: not _find_marked(mark), limit_s=limit_s)
    return time.monotonic() - limit_s  # leftovers are counted elsewhere: waiting for them is not its time


def _find_marked(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[:2] == [b"sleep", mark.encode()]:
                    found.append(int(entry.name))
    return found


def _end_marked(mark: str) -> None:
    for pid in _find_marked(mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def run_lag(lab: Lab) -> list[Row]:
    """Case 5: from the moment a service can answer to the moment it is reported ready."""
    notes = lab.place("lag-notes")
    rows = []
    for kind, ready in (("tcp", ""), ("http", "    ready: {http: /}\n")):
        folder, project = lab.place(f"lag-{kind}"), f"{lab.prefix}l{kind}"
        lags: list[float] = []
        while len(lags) < LAG_SAMPLES:
            (folder / "services.yaml").write_text("services:\n" + "".join(
                f"  s{number}:\n    command: [{sys.executable}, -S, {PROGRAMS}/answering.py, {notes}, "
                f"'{random.uniform(0.1, 1.5):.3f}']\n    ports: [auto]\n{ready}"
                for number in range(_LAG_AT_ONCE)
            ))  # fmt: skip
            lags += _collect_lags(lab, folder, project, notes)
            lab.run(lab.devenv(folder, project, "down"), folder)
        detail = f"median {middle(lags) * 1000:.1f} ms, worst {max(lags) * 1000:.1f} ms, n={len(lags)}"
        p95 = percentile(lags, 0.95) * 1000
        what = f"from answering to reported ready, p95, {kind}"
        rows.append(Row(case="lag", what=what, value=p95, limit=40, unit="ms", detail=detail, samples={"lag": lags}))
    return rows


def _collect_lags(lab: Lab, folder: Path, project: str, notes: Path) -> list[float]:
    for note in notes.iterdir():
        note.unlink()
    lines = lab.run(lab.devenv(folder, project, "up", "--progress", "json"), folder).splitlines()
    lags = []
    for line in lines:
        event = json.loads(line)
        service = event.get("service")
        if isinstance(service, dict) and service["state"] == "ready" and event["previous"] != "ready":
            answered_at = float((notes / str(service["ports"][0])).read_text())
            lags.append(event["at"] - answered_at)
    return lags


def run_down(lab: Lab) -> list[Row]:
    """Case 6: a chain of processes that need a while to stop."""
    script = f"import signal,time,sys; signal.signal(15, lambda *_: (time.sleep({_STOP_S}), sys.exit(0))); print('up', flush=True); signal.pause()"  # noqa: E501
    chain = ("a", "b", "c")
    text = "services:\n"
    for number, name in enumerate((*chain, "d")):
        needs = f"    depends_on: [{chain[number - 1]}]\n" if name in chain[1:] else ""
        text += f"  {name}:\n    command: [{sys.executable}, -S, -c, {json.dumps(script)}]\n"
        text += f"    ready: {{log: up}}\n{needs}"
    folder, project = lab.stack("down", text=text), f"{lab.prefix}n"
    alone: list[float] = []
    down: list[float] = []
    for _ in range(lab.rounds):
        lab.run(lab.devenv(folder, project, "up"), folder)
        down.append(lab.time(lab.devenv(folder, project, "down"), folder))
        alone.append(_stop_alone(lab, script))
    path_s = middle(alone) * len(chain)
    detail = f"devenv {show_ms(down)} ms, 3 stops of {show_ms(alone)} ms one after the other"
    value = middle(down) / path_s
    return [Row(case="down", what="down, 3-chain of processes", value=value, limit=1.10, detail=detail)]


def _stop_alone(lab: Lab, script: str) -> float:
    with subprocess.Popen([sys.executable, "-S", "-c", script], stdout=subprocess.PIPE, cwd=lab.folder) as child:
        assert child.stdout is not None
        child.stdout.readline()
        began = time.monotonic()
        child.terminate()
        child.wait(10)
        return time.monotonic() - began


def run_printing(lab: Lab) -> list[Row]:
    """Case 9: 200 MB in lines, into devenv's log and into a plain file of the same disk."""
    seen: dict[str, list[float]] = {"devenv": [], "plain": []}
    note = lab.place("printing") / "took"
    program = [sys.executable, "-S", f"{PROGRAMS}/printing.py", str(note), str(_TOLD_MB)]
    text = f"services:\n  talker:\n    task: {json.dumps(program)}\n"
    folder, project = lab.stack("printing", text=text), f"{lab.prefix}t"
    lab.run(lab.devenv(folder, project, "up", "--dry-run"), folder)
    for _ in range(max(3, lab.rounds)):
        for name in lab.shuffled(seen):
            note.unlink(missing_ok=True)
            if name == "devenv":
                lab.run(lab.devenv(folder, project, "up"), folder)
                lab.run(lab.devenv(folder, project, "down"), folder)
            else:
                _print_plainly(lab, program)
            seen[name].append(float(note.read_text()))
    return [compare("printing", "200 MB printed", ("devenv", seen["devenv"]), ("plain file", seen["plain"]), 1.1)]


def _print_plainly(lab: Lab, program: list[str]) -> None:
    file = lab.place("printing") / "plain.log"
    with file.open("ab") as output:
        subprocess.run(program, stdout=output, stdin=subprocess.DEVNULL, check=True, timeout=120)
    file.unlink()
