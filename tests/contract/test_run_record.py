"""What every `RunRecord` does, the fake and the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv.adapters.processes.identity import read_boot_id
from devenv.adapters.state.run_record import JsonRunRecord
from devenv.app.ports import Record, Recorded, RunRecord
from devenv.domain.events import ServiceView
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import State
from devenv.domain.model import ComposeProject, Stop
from tests.support.fakes_processes import FakeRunRecord

VIEW = ServiceView(
    name="web",
    run="process",
    state=State.READY,
    health="ok",
    pid=7,
    started=12.5,
    ports=(8000, 8001),
    url="http://127.0.0.1:8000",
    restarts=2,
    exit_code=-9,
    since=1.5,
    ready_after_s=0.25,
    depends_on=("api",),
    log="/logs/web.log",
    detail="it is well",
    tail=("last", "words \ud800"),
)
RECORD = Record(
    stack="shop",
    root="/src/shop",
    file="/src/shop/services.yaml",
    boot=read_boot_id(),
    compose=ComposeProject(
        name="shop",
        files=("a.yml",),
        directory="/src",
        profiles=("x",),
        env_files=(".env",),
        environment={"A": "b"},
        model={"services": {"db": {"image": "postgres", "ports": [1, None, True]}}},
    ),
    services={
        "web": Recorded(
            view=VIEW,
            fingerprint="f00",
            process=ProcessId(pid=7, started=123456),
            log_start=99,
            stop=Stop(signal="INT", grace_s=1.5, command=("stop", "it")),
        ),
        "db": Recorded(view=ServiceView(name="db", run="container", container="c0ffee")),
    },
    ports={"web": (8000,)},
    weights={"web": 0.5},
)


@pytest.fixture(params=["fake", "file"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> RunRecord:
    """Give one implementation after the other."""
    if request.param == "fake":
        return FakeRunRecord(boot=read_boot_id())
    return JsonRunRecord(tmp_path / "record.json")


def test_load_gives_nothing_when_never_saved(record: RunRecord) -> None:
    """No record is no failure."""
    assert record.load() is None


def test_load_gives_all_when_saved(record: RunRecord) -> None:
    """Nothing is lost on the way to disk and back."""
    record.save(RECORD)
    assert record.load() == RECORD


def test_load_gives_the_last_when_saved_twice(record: RunRecord) -> None:
    """The newer record replaces the older."""
    record.save(RECORD)
    record.save(replace(RECORD, stack="other"))
    loaded = record.load()
    assert loaded is not None
    assert loaded.stack == "other"


def test_load_believes_no_pid_when_the_machine_was_booted(record: RunRecord) -> None:
    """Pids of another boot are strangers'."""
    record.save(replace(RECORD, boot="another"))
    loaded = record.load()
    assert loaded is not None
    assert (loaded.services["web"].process, loaded.services["web"].view.pid) == (None, None)


def test_load_keeps_containers_when_the_machine_was_booted(record: RunRecord) -> None:
    """Containers outlive a boot, and so does what is known of them."""
    record.save(replace(RECORD, boot="another"))
    loaded = record.load()
    assert loaded is not None
    assert loaded.services["db"].view.container == "c0ffee"


def test_load_gives_nothing_when_cleared(record: RunRecord) -> None:
    """A cleared record is gone."""
    record.save(RECORD)
    record.clear()
    assert record.load() is None


def test_clear_does_nothing_when_there_is_none(record: RunRecord) -> None:
    """Clearing twice is no failure."""
    record.clear()
    assert record.load() is None
