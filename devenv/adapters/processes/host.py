"""The processes of this machine, and the ones that the stack started on it.

Implements `Processes`: starting, waiting, finding again and ending. Must not know the graph, ports or the record.
Invariant: everything started here carries the stack's marks, and every child that ended is reaped.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping

from devenv.adapters.processes import exits as process_exit
from devenv.adapters.processes import identity
from devenv.adapters.processes import launch as process_launch
from devenv.adapters.processes import tree as process_tree
from devenv.adapters.processes.command import run_command
from devenv.adapters.processes.stopping import TreeEnd
from devenv.app.ports import Launch
from devenv.domain.errors import StartFailed
from devenv.domain.holders import ProcessId
from devenv.domain.model import Stop
from devenv.domain.probe import Executed

_STATUSES_KEPT = 1000


class HostProcesses:
    """Starts and ends processes for the stack `stack_key`; `logs` is the folder of their logs, '' for none."""

    def __init__(self, stack_key: str, logs: str = "") -> None:
        self._stack_key = stack_key
        self._scanner = process_tree.Scanner(stack_key, os.path.realpath(logs) if logs else "")
        self._children: dict[ProcessId, subprocess.Popen[bytes]] = {}
        self._statuses: dict[ProcessId, int] = {}

    def spawn(self, launch: Launch) -> ProcessId:
        """Start a process whose output is appended to `launch.log`, about 1 ms; raises StartFailed or HostError."""
        self._reap()
        log = process_launch.open_log(launch.log)
        try:
            child = process_launch.start(launch, self._stack_key, log)
        finally:
            os.close(log)
        return self._keep(child)

    def is_alive(self, process: ProcessId) -> bool:
        """Tell whether exactly this process still runs (a zombie does not)."""
        return identity.is_running(process)

    async def wait_exit(self, process: ProcessId) -> int | None:
        """Wait until it has ended; return its exit status (negative: the signal), None for one we did not start."""
        await process_exit.wait_ended(process)
        self._reap()
        return self._statuses.get(process)

    async def stop_tree(self, roots: Iterable[ProcessId], service: str, stop: Stop) -> tuple[ProcessId, ...]:
        """End the trees of `roots` and everything marked as `service`'s, gently, then hard; return what is left.

        `stop.command` runs first, beside the first root that lives, for at most the grace period.
        """
        roots = tuple(roots)
        if stop.command:
            await self._run_stop_command(roots, service, stop)
        end = TreeEnd(self._scanner, roots, service=service, reap=self._reap)
        return await end.finish(signal_number(stop.signal, service), stop.grace_s)

    async def stop_foreign(
        self, holder: ProcessId, grace_s: float, *, protect: frozenset[int] = frozenset()
    ) -> tuple[ProcessId, ...]:
        """End a process that is not the stack's, and what descends from it; return what is left.

        `protect` are further pids never to be touched, such as the ancestors of the command that asked.
        """
        protected = protect | process_tree.list_protected()
        if holder.pid in protected:
            return (holder,) if identity.is_running(holder) else ()
        end = TreeEnd(self._scanner, (holder,), protect=protect, reap=self._reap)
        return await end.finish(signal.SIGTERM, grace_s)

    def find_marked(self) -> Mapping[str, tuple[ProcessId, ...]]:
        """Return by service the roots of what carries this stack's marks: live, with a parent that does not."""
        self._reap()
        return process_tree.find_roots(self._scanner.read())

    def tree_pids(self, root: ProcessId, service: str) -> frozenset[int]:
        """Return the pids of `root`, its descendants and everything marked as `service`'s."""
        table = self._scanner.read()
        return frozenset(process_tree.find_live(table, (root,), service))

    async def run(self, launch: Launch, timeout_s: float) -> Executed:
        """Run a short command and return how it ended; it and its process group are gone afterwards.

        Status 127 is a program that could not be started, -9 one that was killed after `timeout_s`.
        """
        try:
            return await run_command(launch, self._stack_key, timeout_s)
        except StartFailed as error:
            return Executed(status=127, output=f"{error.what}: {error.why}")

    def _keep(self, child: subprocess.Popen[bytes]) -> ProcessId:
        stat = identity.read_stat(child.pid)
        if stat is None:  # our own child cannot vanish before it is reaped, unless somebody ignores SIGCHLD
            raise StartFailed(
                "cannot follow a process that was just started", why=f"pid {child.pid} is gone", fix="devenv up"
            )
        self._children[stat.id] = child
        return stat.id

    def _reap(self) -> None:
        """Take the exit statuses of the children that have ended, and forget all but the last thousand."""
        for process in [one for one, child in self._children.items() if child.poll() is not None]:
            self._statuses[process] = self._children.pop(process).returncode
        for process in list(self._statuses)[:-_STATUSES_KEPT]:
            del self._statuses[process]

    async def _run_stop_command(self, roots: tuple[ProcessId, ...], service: str, stop: Stop) -> None:
        root = next((one for one in roots if identity.is_running(one)), None)
        if root is None or not stop.command:
            return
        launch = Launch(
            service=service,
            argv=stop.command,
            working_dir=identity.read_working_dir(root.pid) or "/",
            environment=identity.read_environment(root.pid) or dict(os.environ),
            log=os.devnull,
        )
        await self.run(launch, stop.grace_s)


def signal_number(name: str, service: str) -> int:
    """Return the number of `TERM` (also ''), `SIGTERM` or `15`; raises StartFailed for what is no signal here."""
    name = name or "TERM"
    try:
        if name.isdigit():
            return signal.Signals(int(name))
        return signal.Signals[name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"]
    except (KeyError, ValueError) as error:
        why = f"`{name}` is no signal of this system"
        raise StartFailed(f"cannot stop {service} as configured", why=why, fix="kill -l") from error
