"""What devenv costs while it does nothing, and what a look at the ports costs.

Must not know how devenv does it. Invariant: a daemon is measured by the kernel's own account of its process.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.lab import PROGRAMS, Lab, read_daemon_pid
from tests.bench.rows import Row, middle, show_ms

SERVICES = 50
WATCH_S = 15.0
_PORTS, _SOCKETS = 20, 10_000


def run_idle(lab: Lab) -> list[Row]:
    """Case 10: a daemon that looks after 50 services, with and without a port to watch."""
    rows = []
    notes = lab.place("idle-notes")
    server = f"{sys.executable} -S {PROGRAMS}/answering.py {notes} 0"
    for kind, command, ports in (("sleeping", "sleep 86399", ""), ("with a tcp probe", server, "    ports: [auto]\n")):
        text = "services:\n" + "".join(f"  s{n}:\n    command: {command}\n{ports}" for n in range(SERVICES))
        name = kind.split()[0]
        folder, project = lab.stack(f"idle-{name}", text=text), f"{lab.prefix}q{name[0]}"
        lab.run(lab.devenv(folder, project, "up"), folder)
        pid = read_daemon_pid(lab, folder, project)
        time.sleep(1)
        before, began = _read_cpu_s(pid), time.monotonic()
        time.sleep(WATCH_S)
        share = (_read_cpu_s(pid) - before) / (time.monotonic() - began) * 100
        rss_mb = _read_rss_mb(pid)
        lab.run(lab.devenv(folder, project, "down"), folder)
        rows.append(Row(case="idle", what=f"idle, 50 services {kind}, CPU", value=share, limit=0.5, unit="% of a core"))
        rows.append(Row(case="idle", what=f"idle, 50 services {kind}, RSS", value=rss_mb, limit=80, unit="MB"))
    return rows


def _read_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _read_rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


def run_holders(lab: Lab) -> list[Row]:
    """Case 11: who holds 20 ports, while 10,000 sockets are open."""
    import anyio

    from devenv.adapters.ports.table import HostPortTable
    from devenv.domain.model import Transport

    argv = [sys.executable, "-S", f"{PROGRAMS}/sockets.py", str(_PORTS), str(_SOCKETS)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            places = [(int(word), Transport.TCP) for word in child.stdout.readline().split()]
            took: list[float] = []

            async def look() -> None:
                for _ in range(max(15, lab.rounds)):
                    began = time.monotonic()
                    found = await HostPortTable().holders(places)
                    took.append(time.monotonic() - began)
                    assert len(found) == _PORTS

            anyio.run(look)
        finally:
            child.kill()
    detail = f"{show_ms(took)} ms, n={len(took)}"
    value = middle(took) * 1000
    what = "holders of 20 ports, 10,000 sockets open"
    return [Row(case="holders", what=what, value=value, limit=60, unit="ms", detail=detail)]
