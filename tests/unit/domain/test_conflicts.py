"""All conflicts in one answer: what consent settles, what is refused, and the words for it."""

from __future__ import annotations

import itertools

import pytest

from devenv.domain.conflicts import (
    Conflict,
    Consent,
    Decision,
    KnownStack,
    Ownership,
    Resolution,
    Self,
    can_ask,
    describe_conflict,
    describe_holder,
    describe_process,
    detect_respawn,
    find_conflicts,
    find_respawner,
    holder_key,
    remedy,
    resolve,
    to_error,
)
from devenv.domain.holders import ContainerFacts, Holder, ProcessId
from devenv.domain.model import OnConflict, Port
from devenv.domain.ownership import STOPPABLE
from tests.support.fakes_ports import make_holder

ME = Self(
    uid=1000,
    pid=500,
    ancestors=frozenset({1, 40}),
    stack_key="shop-1a",
    project_root="/home/ada/src/shop",
    home="/home/ada",
    stacks={"other-9f": KnownStack(name="other", root="/home/ada/src/other", file="/home/ada/src/other/dev.yaml")},
)
STRANGER = make_holder(
    8000, uid=1000, command="python -m http.server 8000", working_dir="/home/ada/old", user="ada", age_s=10_900.0
)
LEFTOVER = make_holder(8000, uid=1000, pid=77, command="node x.js", working_dir="/home/ada/src/shop/web")
CONTAINER = Holder(
    port=8000, address="0.0.0.0", container=ContainerFacts(id="beef", name="old-web-1", image="nginx", project="old")
)


def conflict(
    holder: Holder = STRANGER,
    ownership: Ownership = Ownership.STRANGER,
    *,
    policy: OnConflict = OnConflict.ASK,
    service: str = "api",
) -> Conflict:
    """Return a conflict over the port that `holder` has."""
    return Conflict(
        service=service, port=Port(number=holder.port, on_conflict=policy), holder=holder, ownership=ownership
    )


def test_find_conflicts_skips_what_is_ours_and_what_does_not_overlap() -> None:
    """Our own server and one on another address are in nobody's way."""
    ours = make_holder(8000, uid=1000, pid=9, command="uvicorn", marker_stack="shop-1a")
    elsewhere = make_holder(8001, uid=1000, pid=10, command="nc", address="192.168.1.5")
    wanted = {"api": [Port(number=8000)], "web": [Port(number=8001, host="127.0.0.1")]}
    assert find_conflicts(wanted, [ours, elsewhere], context=ME) == ()


def test_find_conflicts_gives_one_line_when_a_process_holds_both_families() -> None:
    """One holder is one conflict, hung if it is hung on either address."""
    second = make_holder(8000, uid=1000, command="python -m http.server 8000", address="::1")
    first = make_holder(8000, uid=1000, command="python -m http.server 8000")
    hung = Holder(port=8000, address="::1", process=second.process, hung=True)
    (found,) = find_conflicts({"api": [Port(number=8000)]}, [first, hung], context=ME)
    assert found.ownership is Ownership.STRANGER
    assert found.holder.hung


def test_resolve_stops_leftovers_when_nobody_was_asked() -> None:
    """A leftover needs no consent; it is stopped even where the port could move."""
    for policy in (OnConflict.ASK, OnConflict.FREE, OnConflict.MOVE):
        found = resolve([conflict(LEFTOVER, Ownership.LEFTOVER, policy=policy)], consent=Consent())
        assert found.stop_processes == (ProcessId(pid=77, started=1000),)
        assert found.refused == ()


@pytest.mark.parametrize("ownership", [Ownership.STRANGER, Ownership.STACK])
def test_resolve_stops_strangers_only_when_consent_was_given(ownership: Ownership) -> None:
    """By flag, policy or answer; otherwise refused."""
    asked = conflict(ownership=ownership)
    answered = Consent(decisions={holder_key(STRANGER): Decision.STOP})
    assert resolve([asked], consent=Consent()).refused == (asked,)
    assert resolve([asked], consent=Consent(free_ports=True)).stop_processes == (ProcessId(pid=4242, started=1000),)
    assert resolve([asked], consent=answered).stop_processes == (ProcessId(pid=4242, started=1000),)
    free = conflict(ownership=ownership, policy=OnConflict.FREE)
    assert resolve([free], consent=Consent()).stop_processes == (ProcessId(pid=4242, started=1000),)


def test_resolve_stops_the_container_when_consent_was_given() -> None:
    """The container is stopped, and no process with it."""
    found = resolve([conflict(CONTAINER, Ownership.CONTAINER)], consent=Consent(free_ports=True))
    assert (found.stop_containers, found.stop_processes) == (("beef",), ())


def test_resolve_forgets_the_answer_when_the_pid_belongs_to_another_process() -> None:
    """Consent is for pid and start time."""
    later = make_holder(8000, uid=1000, command="x", started=2000)
    consent = Consent(decisions={holder_key(STRANGER): Decision.STOP})
    assert resolve([conflict(later)], consent=consent).refused


def test_resolve_moves_when_policy_or_answer_says_so() -> None:
    """Even away from what may never be stopped."""
    for ownership in (Ownership.STRANGER, Ownership.PROTECTED, Ownership.UNKNOWN):
        by_policy = conflict(ownership=ownership, policy=OnConflict.MOVE)
        assert resolve([by_policy], consent=Consent(free_ports=True)).move == (("api", by_policy.port),)
        by_answer = Consent(decisions={holder_key(STRANGER): Decision.MOVE})
        assert resolve([conflict(ownership=ownership)], consent=by_answer).move


def test_resolve_leaves_the_others_alone_when_one_holder_moves_the_port() -> None:
    """Nothing is stopped for a port that is not used after all."""
    leftover = conflict(LEFTOVER, Ownership.LEFTOVER, policy=OnConflict.MOVE)
    stranger = conflict(policy=OnConflict.MOVE)
    found = resolve([leftover, stranger], consent=Consent())
    assert (found.stop_processes, found.move) == ((), (("api", stranger.port),))


def test_resolve_refuses_when_the_policy_is_fail_or_the_user_gave_up() -> None:
    """`fail` holds against every consent, even for a leftover."""
    failing = conflict(LEFTOVER, Ownership.LEFTOVER, policy=OnConflict.FAIL)
    assert resolve([failing], consent=Consent(free_ports=True)).refused == (failing,)
    given_up = Consent(free_ports=True, decisions={holder_key(STRANGER): Decision.GIVE_UP})
    assert resolve([conflict()], consent=given_up).refused


def test_resolve_stops_nothing_when_another_port_is_refused() -> None:
    """A start that will not happen ends nobody's process."""
    found = resolve([conflict(LEFTOVER, Ownership.LEFTOVER), conflict(service="web")], consent=Consent())
    assert [one.service for one in found.refused] == ["web"]
    assert (found.stopping, found.moving) == ((), ())


def test_resolve_never_stops_what_is_not_stoppable_whatever_was_agreed() -> None:
    """All policies, flags and answers, for every ownership."""
    decisions = [{}, *({holder_key(STRANGER): decision} for decision in Decision)]
    for ownership, policy, flag, answers in itertools.product(Ownership, OnConflict, (True, False), decisions):
        found = resolve(
            [conflict(ownership=ownership, policy=policy)], consent=Consent(free_ports=flag, decisions=answers)
        )
        if ownership not in STOPPABLE:
            assert found.stopping == ()
        if ownership is Ownership.OURS:
            assert found == Resolution()


def test_can_ask_is_false_when_there_is_nothing_to_choose() -> None:
    """`fail` leaves no choice, and a leftover needs none."""
    assert can_ask(conflict(), Consent())
    assert can_ask(conflict(ownership=Ownership.UNKNOWN), Consent())
    assert not can_ask(conflict(policy=OnConflict.FAIL), Consent())
    assert not can_ask(conflict(LEFTOVER, Ownership.LEFTOVER), Consent())


def test_describe_holder_says_who_when_it_is_a_process() -> None:
    """Pid, command, folder, user and age, in one line."""
    expected = 'pid 4242 "python -m http.server 8000" in ~/old (user ada, 3 h old)'
    assert describe_holder(STRANGER, Ownership.STRANGER, context=ME) == expected


def test_describe_holder_says_who_when_it_is_no_plain_process() -> None:
    """A container, another stack, and a process that cannot be seen."""
    stack = make_holder(8000, pid=77, marker_stack="other-9f", marker_service="api")
    unknown_stack = make_holder(8000, pid=77, marker_stack="gone-1")
    unseen = Holder(port=80, address="", uid=0)
    assert describe_holder(CONTAINER, Ownership.CONTAINER) == (
        "container old-web-1 (image nginx, Compose project old) through Docker's proxy"
    )
    assert describe_holder(stack, Ownership.STACK, context=ME) == (
        "devenv stack other in ~/src/other (service api, pid 77)"
    )
    assert describe_holder(unknown_stack, Ownership.STACK, context=ME) == "devenv stack gone-1 (pid 77)"
    assert describe_holder(unseen, Ownership.PROTECTED) == "a process that may not be looked at (uid 0)"


def test_describe_holder_says_hung_when_it_is() -> None:
    """That a hung server holds the port is the story."""
    hung = Holder(port=8000, address="", process=STRANGER.process, hung=True)
    assert "accepts connections but does not answer" in describe_process(hung)


def test_describe_holder_is_safe_when_the_command_has_control_codes() -> None:
    """A holder cannot write to the user's terminal."""
    evil = make_holder(8000, command="x\x1b[2J\n" + "y" * 500)
    said = describe_process(evil)
    assert said.isprintable()
    assert len(said) < 120


def test_describe_conflict_names_the_respawner_when_there_is_one() -> None:
    """Stopping it alone may not help."""
    respawned = make_holder(
        8000, command="x", parent=ProcessId(pid=7, started=1), parent_command="/usr/bin/python3 /usr/bin/supervisord"
    )
    (found,) = find_conflicts({"api": [Port(number=8000)]}, [respawned], context=Self(uid=-1, pid=2))
    said = describe_conflict(found)
    assert said.startswith("8000/tcp (service api): pid 4242")
    assert said.endswith("supervisord pid 7, which may start it again")


def test_find_respawner_is_silent_when_the_parent_is_init() -> None:
    """Every orphan has that parent."""
    orphan = make_holder(8000, parent=ProcessId(pid=1, started=1), parent_command="systemd")
    assert find_respawner(orphan) == ""


def test_detect_respawn_names_the_parent_when_a_new_process_has_the_port() -> None:
    """Same parent, other process: the parent did it."""
    parent = ProcessId(pid=7, started=1)
    before = make_holder(8000, pid=20, command="a", parent=parent, parent_command="sh -c loop")
    after = make_holder(8000, pid=21, command="b", parent=parent, parent_command="sh -c loop")
    assert detect_respawn(before, [after]) == "sh -c loop pid 7"
    assert detect_respawn(before, [before]) == ""
    assert detect_respawn(before, [make_holder(8001, pid=21, command="a", parent=parent)]) == ""


def test_detect_respawn_is_silent_when_somebody_else_took_the_port() -> None:
    """Another command under another parent is another story."""
    before = make_holder(8000, pid=20, command="a", parent=ProcessId(pid=1, started=1))
    after = make_holder(8000, pid=21, command="b", parent=ProcessId(pid=1, started=1))
    assert detect_respawn(before, [after]) == ""


def test_remedy_gives_the_command_when_the_holder_is_of_each_kind() -> None:
    """What the user types to free the port by hand."""
    stack = make_holder(8000, pid=77, marker_stack="other-9f")
    other_user = make_holder(8000, pid=78, uid=33, user="www-data", command="nginx: master process")
    engine = make_holder(8000, pid=79, uid=0, command="docker-proxy -proto tcp")
    shell = make_holder(8000, pid=40, uid=1000, command="bash")
    protected = Ownership.PROTECTED
    assert remedy(conflict(), context=ME) == "kill 4242"
    assert remedy(conflict(CONTAINER, Ownership.CONTAINER), context=ME) == "docker stop old-web-1"
    assert remedy(conflict(stack, Ownership.STACK), context=ME) == "devenv -f /home/ada/src/other/dev.yaml down"
    assert remedy(conflict(other_user, protected), context=ME).startswith("sudo kill 78  # user www-data's")
    assert remedy(conflict(engine, protected), context=ME) == "docker ps --filter publish=8000"
    assert "on_conflict: move" in remedy(conflict(shell, protected), context=ME)
    unseen = Holder(port=80, address="")
    assert remedy(conflict(unseen, Ownership.UNKNOWN), context=ME) == "sudo devenv ports 80"


def test_to_error_holds_every_conflict_when_several_are_refused() -> None:
    """One answer, a line each, and the one command that settles them all."""
    error = to_error((conflict(), conflict(CONTAINER, Ownership.CONTAINER, service="web")), context=ME)
    assert error.what == "cannot use 2 ports: 8000 (api), 8000 (web)"
    assert error.fix == "devenv up --free-ports"
    assert [line.rpartition(" -> ")[2] for line in error.details] == ["kill 4242", "docker stop old-web-1"]
    assert error.exit_status == 4


def test_to_error_gives_the_other_command_when_consent_would_not_do() -> None:
    """A protected holder or `fail` needs the user's own hand."""
    other_user = make_holder(5432, pid=78, uid=33, user="postgres", command="postgres")
    error = to_error((conflict(), conflict(other_user, Ownership.PROTECTED, service="db")), context=ME)
    assert error.fix.startswith("sudo kill 78")
    assert to_error((conflict(policy=OnConflict.FAIL),), context=ME).fix == "kill 4242"
