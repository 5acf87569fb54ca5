"""The run record on disk: what the stack started, enough to adopt it or to end it.

Owns the file's shape. Must not know what the record is used for. Invariant: a reader sees the old record or the new
one, never half of one; a file that cannot be understood is set aside, not believed and not lost.
"""

import json
import logging
from dataclasses import replace
from pathlib import Path

from devenv.adapters.processes.identity import read_boot_id
from devenv.adapters.state.claims import write_private
from devenv.adapters.state.paths import translate
from devenv.adapters.state.record_codec import decode, encode
from devenv.app.ports import Record, Recorded

_log = logging.getLogger(__name__)


class JsonRunRecord:
    """The run record in the file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Record | None:
        """Return the record, None where there is none; one of an earlier boot comes without its processes.

        Raises HostError where the file may not be read. A broken file is renamed to `record.json.broken`.
        """
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translate(error, "cannot read the run record") from error
        try:
            record = decode(json.loads(raw))
        except (ValueError, RecursionError) as error:
            self._set_aside(error)
            return None
        return record if record.boot == read_boot_id() else _without_processes(record)

    def save(self, record: Record) -> None:
        """Write it beside and rename it into place; raises HostError on a full disk.

        It is not synced: after a power cut its processes are gone anyway, and the rest can be found out again.
        """
        write_private(self._path, json.dumps(encode(record), separators=(",", ":")))

    def clear(self) -> None:
        """Remove it."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise translate(error, "cannot remove the run record") from error

    def _set_aside(self, error: Exception) -> None:
        broken = self._path.with_name(f"{self._path.name}.broken")
        _log.warning("the run record cannot be understood (%s); it is kept as %s", error, broken)
        try:
            self._path.replace(broken)
        except OSError as failure:
            raise translate(failure, "cannot set a broken run record aside") from failure


def _without_processes(record: Record) -> Record:
    """Forget pids of another boot of this machine: whoever has them now is a stranger."""
    services = {name: _without_process(one) for name, one in record.services.items()}
    return replace(record, services=services)


def _without_process(recorded: Recorded) -> Recorded:
    return replace(recorded, process=None, view=replace(recorded.view, pid=None, started=None))
