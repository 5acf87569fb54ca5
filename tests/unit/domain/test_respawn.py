"""Who may start a stopped holder again, and how old it is, in words."""

from __future__ import annotations

import pytest

from devenv.domain.conflict_words import describe_age
from devenv.domain.conflicts import detect_respawn, find_respawner, holder_key
from devenv.domain.holders import Holder, ProcessId
from devenv.domain.model import Transport
from tests.support.fakes_ports import make_holder

PARENT = ProcessId(pid=7, started=1.0)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/usr/bin/python3 /usr/bin/supervisord -n", True),
        ("PM2 v5.3.0: God Daemon", True),
        ("nodemon server.js", True),
        ("zsh", False),
        ("make run", False),
    ],
)
def test_parent_is_named_when_it_is_known_to_start_things_again(command: str, expected: bool) -> None:
    """By its name; any other parent says nothing."""
    holder = make_holder(80, parent=PARENT, parent_command=command)
    assert find_respawner(holder) == (f"{command} pid 7" if expected else "")


def test_nobody_is_named_where_nothing_is_known() -> None:
    """No process, no parent, or the init system, which inherits every orphan."""
    assert find_respawner(Holder(port=80, address="0.0.0.0")) == ""
    assert find_respawner(make_holder(80)) == ""
    assert find_respawner(make_holder(80, parent=ProcessId(pid=1, started=0.0), parent_command="systemd")) == ""


def test_orphan_that_looks_the_same_names_nobody() -> None:
    """The same command came again, but nobody is known to have started it."""
    before = make_holder(80, pid=5, command="ruby app.rb")
    assert detect_respawn(before, [make_holder(80, pid=6, command="ruby app.rb")]) == ""


def test_key_of_a_holder_that_may_not_be_looked_at_is_its_place() -> None:
    """There is nothing else to know it by."""
    assert holder_key(Holder(port=53, address="0.0.0.0", transport=Transport.UDP)) == "53/udp"


@pytest.mark.parametrize(
    ("age_s", "words"),
    [(0.4, "0 s"), (40, "40 s"), (61, "1 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_age_has_the_one_unit_that_matters(age_s: float, words: str) -> None:
    """Rounded."""
    assert describe_age(age_s) == words
