"""`devenv doctor`: what is judged how, and what mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.app.doctor import Finding, Level, examine, exit_status
from devenv.app.machine import ContainerNeed, DaemonFact, Disk, Facts, PortFact, StateFolder, Tool
from devenv.cli.examining import finding_lines
from devenv.domain.errors import ConfigError, Diagnostic
from devenv.domain.ownership import Ownership

HEALTHY = Facts(
    own_version="1.0",
    python=(3, 12, 1),
    engine=Tool(version="28.0"),
    compose=Tool(version="2.30.1"),
    buildx=Tool(version="0.13"),
    git=Tool(version="2.39"),
    open_files=4096,
    state=StateFolder(path="/state"),
    disks=(Disk(what="state and logs", path="/state", free=50 << 30),),
    stack="shop",
    daemon=DaemonFact(socket="/s", limit=100, length=2, listens=True, version="1.0"),
)
NO_ENGINE = Tool(why="nothing listens", fix="start it")
DB = ContainerNeed(service="db", image="postgres:16", stand_in="PostgreSQL 18.6")
MAIL = ContainerNeed(service="mail", image="mailpit")


def _of(facts: Facts, check: str) -> list[Finding]:
    return [finding for finding in examine(facts) if finding.check == check]


def test_all_is_well_when_the_machine_is_healthy() -> None:
    """Nothing to mend, exit status 0."""
    findings = examine(HEALTHY)
    assert {finding.level for finding in findings} == {Level.OK}
    assert exit_status(findings) == 0


@pytest.mark.parametrize(
    ("change", "check", "level"),
    [
        ({"python": (3, 10, 9)}, "python", Level.ERROR),
        ({"open_files": 512}, "files", Level.WARNING),
        ({"open_files": 64}, "files", Level.ERROR),
        ({"git": Tool(why="not there", fix="install git")}, "git", Level.WARNING),
        ({"compose": Tool(why="not there", fix="install it")}, "compose", Level.WARNING),
        ({"compose": Tool(why="not there", fix="x"), "containers": (DB,)}, "compose", Level.ERROR),
        ({"buildx": Tool(why="not there", fix="x"), "containers": (DB,)}, "buildx", Level.WARNING),
        ({"buildx": Tool(why="no", fix="x"), "containers": (replace(DB, builds=True),)}, "buildx", Level.ERROR),
        ({"disks": (Disk(what="x", path="/", free=1 << 30),)}, "disk", Level.WARNING),
        ({"disks": (Disk(what="x", path="/", free=1 << 20),)}, "disk", Level.ERROR),
        ({"state": StateFolder(path="/s", is_own=False)}, "state", Level.ERROR),
        ({"state": StateFolder(path="/s", is_writable=False)}, "state", Level.ERROR),
        ({"state": StateFolder(path="/s", mode=0o755)}, "state", Level.WARNING),
        ({"engine": NO_ENGINE}, "engine", Level.OK),
        ({"engine": NO_ENGINE, "containers": (DB,)}, "engine", Level.WARNING),
        ({"engine": NO_ENGINE, "containers": (DB, MAIL)}, "engine", Level.ERROR),
        ({"engine": NO_ENGINE, "containers": (DB,), "engine_choice": "docker"}, "engine", Level.ERROR),
    ],
)
def test_finding_has_level_and_fix_when_something_is_amiss(change: dict[str, object], check: str, level: Level) -> None:
    """What keeps `up` from working is an error; everything that is not well can be mended."""
    found = _of(replace(HEALTHY, **change), check)  # type: ignore[arg-type]
    assert [finding.level for finding in found] == [level]
    assert bool(found[0].fix) is (level is not Level.OK)


def test_compose_is_called_old_when_it_is() -> None:
    """It works, mostly."""
    levels = [finding.level for finding in _of(replace(HEALTHY, compose=Tool(version="2.10.0")), "compose")]
    assert levels == [Level.OK, Level.WARNING]


def test_services_are_named_when_the_engine_is_missed() -> None:
    """Those that nothing can stand in for."""
    text = _of(replace(HEALTHY, engine=NO_ENGINE, containers=(DB, MAIL)), "engine")[0].text
    assert "mail (mailpit)" in text
    assert "db" not in text


def test_ports_are_judged_by_their_holder() -> None:
    """Free and own ones are well, a leftover is settled by `up`, a stranger keeps it from working."""
    facts = [
        PortFact(service="a", port=1),
        PortFact(service="b", port=2, holder="us", ownership=Ownership.OURS),
        PortFact(service="c", port=3, holder="old", ownership=Ownership.LEFTOVER, fix="kill 3"),
        PortFact(service="d", port=4, holder="other", ownership=Ownership.STRANGER, fix="kill 4"),
        PortFact(service="e", port=5, holder="other", ownership=Ownership.STRANGER, will_free=True, fix="kill 5"),
    ]
    found = _of(replace(HEALTHY, ports=tuple(facts)), "ports")
    assert [(finding.level, finding.fix) for finding in found] == [
        (Level.OK, ""),
        (Level.OK, ""),
        (Level.WARNING, "kill 3"),
        (Level.ERROR, "kill 4"),
        (Level.WARNING, "kill 5"),
    ]


@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ({"version": "0.9"}, Level.WARNING, "this is 1.0"),
        ({"listens": False, "left_record": True}, Level.WARNING, "may still run"),
        ({"listens": False, "left_socket": True}, Level.OK, "stale socket"),
        ({"listens": False}, Level.OK, "nothing runs"),
        ({"length": 101}, Level.ERROR, "101 bytes"),
        ({"broken_record": "/s/record.json.broken"}, Level.WARNING, "set aside"),
    ],
)
def test_daemon_is_judged_by_what_it_left(change: dict[str, object], level: Level, words: str) -> None:
    """A dead daemon is harmless, and said."""
    assert HEALTHY.daemon is not None
    found = _of(replace(HEALTHY, daemon=replace(HEALTHY.daemon, **change)), "daemon")[0]  # type: ignore[arg-type]
    assert found.level is level
    assert words in found.text


def test_first_mistake_is_shown_when_the_configuration_is_broken() -> None:
    """The others are one command away."""
    mistake = Diagnostic(file="services.yaml", line=3, column=5, message="unknown key comand")
    error = ConfigError("cannot use services.yaml", diagnostics=(mistake,))
    found = _of(replace(HEALTHY, config_error=error), "config")[0]
    assert found.text == "cannot use services.yaml: services.yaml:3:5: unknown key comand"
    assert found.fix == "devenv config"


def test_status_is_3_when_one_finding_is_an_error() -> None:
    """As for every failure of the host."""
    assert exit_status(examine(replace(HEALTHY, python=(3, 8, 0)))) == 3


def test_fix_stands_below_its_finding() -> None:
    """Two lines, or one where nothing is amiss."""
    finding = Finding(check="git", level=Level.WARNING, text="no git", fix="install git")
    assert finding_lines(finding) == ["! git      no git", "  fix: install git"]
    assert len(finding_lines(replace(finding, fix=""))) == 1
