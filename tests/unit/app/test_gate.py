"""The gate in virtual time: its pace, its suspicions, its deadline, and the slow watch afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import anyio
import pytest
from trio.testing import MockClock

from devenv.app.gate import FailureCause, GateFailure, pass_gate, watch_gate
from devenv.domain.probe import NotYet, Outcome, Passed, Target

pytestmark = pytest.mark.anyio

TARGET = Target(service="api", port=8000)
REFUSED = NotYet(reason="nothing listens")
NOT_FOUND = NotYet(reason="GET /health answered 404 Not Found", suspect="HTTP 404")
Story = Callable[[float], Outcome]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on trio, whose clock jumps to the next deadline when nothing else is to be done."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A probe whose answer depends on the seconds since its first attempt."""

    kind: ClassVar[str] = "scripted"
    asks_port: ClassVar[bool] = True

    story: Story
    takes_s: float = 0.0
    attempt_s: float = 2.0
    is_watched: bool = True
    asked_at: list[float] = field(default_factory=list)

    def describe(self) -> str:
        return "scripted"

    async def check(self, target: Target) -> Outcome:
        self.asked_at.append(anyio.current_time())
        await anyio.sleep(self.takes_s)
        return self.story(anyio.current_time() - self.asked_at[0])


def passes_after(seconds: float, before: NotYet = REFUSED) -> Story:
    """Return the story of a service that answers after that long."""
    return lambda since_s: Passed(detail="HTTP 200") if since_s >= seconds else before


async def expect_failure(*probes: Scripted, timeout_s: float = 60.0) -> GateFailure:
    """Return how the gate fails for one stage of `probes`."""
    outcome = await pass_gate((probes,), TARGET, timeout_s=timeout_s)
    assert isinstance(outcome, GateFailure)
    return outcome


async def test_gate_passes_at_once_when_there_is_nothing_to_ask() -> None:
    """Running is ready where no probe is known."""
    assert await pass_gate((), TARGET, timeout_s=1) == Passed()


async def test_gate_asks_at_once_when_the_service_answers_already() -> None:
    """The first attempt is not preceded by a pause."""
    began = anyio.current_time()

    assert await pass_gate(((Scripted(story=passes_after(0)),),), TARGET, timeout_s=1) == Passed(detail="HTTP 200")
    assert anyio.current_time() == began


@dataclass(frozen=True, kw_only=True)
class Loading(Scripted):
    """A probe that has to load something before it can ask."""

    async def prepare(self) -> None:
        await anyio.sleep(0.4)


async def test_gate_asks_as_often_when_a_probe_had_to_load_first() -> None:
    """What devenv itself loads is not taken for a slow service, which is asked less often."""
    probe = Loading(story=passes_after(0.2))

    assert isinstance(await pass_gate(((probe,),), TARGET, timeout_s=5), Passed)
    assert len(probe.asked_at) >= 9


@pytest.mark.parametrize("starts_after_s", [0.013, 0.31, 1.99, 2.5])
async def test_gate_sees_readiness_within_25_ms_when_the_start_is_short(starts_after_s: float) -> None:
    """Most dev servers start within seconds, and nobody should wait for the poll."""
    began = anyio.current_time()

    await pass_gate(((Scripted(story=passes_after(starts_after_s)),),), TARGET, timeout_s=60)

    assert anyio.current_time() - began - starts_after_s <= 0.026


async def test_gate_asks_less_often_when_the_start_is_long() -> None:
    """A pause adds one per cent to the wait at most, and one second at most."""
    probe = Scripted(story=passes_after(300))

    await pass_gate(((probe,),), TARGET, timeout_s=600)

    pauses = [after - before for before, after in zip(probe.asked_at, probe.asked_at[1:], strict=False)]
    assert max(pauses) == pytest.approx(1.0)
    assert len(probe.asked_at) < 900


async def test_gate_rests_as_long_as_it_asked_when_an_attempt_is_slow() -> None:
    """A command that takes 0.2 s is not run without a pause."""
    probe = Scripted(story=passes_after(1), takes_s=0.2)

    await pass_gate(((probe,),), TARGET, timeout_s=60)

    assert probe.asked_at[1] - probe.asked_at[0] == pytest.approx(0.4)


async def test_gate_fails_with_every_last_reason_when_the_deadline_passes() -> None:
    """All probes that did not pass are named, with what they last saw."""
    slow = Scripted(story=lambda _: NotYet(reason="no table yet"))
    failure = await expect_failure(
        Scripted(story=passes_after(0)), Scripted(story=lambda _: REFUSED), slow, timeout_s=3
    )

    assert failure.cause is FailureCause.TIMEOUT
    assert failure.reason == "not ready after 3 s: nothing listens; no table yet"
    assert [one.reason for one in failure.unmet] == ["nothing listens", "no table yet"]


async def test_gate_names_the_probe_when_it_never_answered() -> None:
    """A deadline within the first attempt still gives a reason."""
    failure = await expect_failure(Scripted(story=passes_after(0), takes_s=9), timeout_s=1)

    assert failure.reason == "not ready after 1 s: scripted was not answered once"


async def test_attempt_is_cut_off_when_the_probe_hangs() -> None:
    """Each attempt has a limit of its own, and the next one may pass."""
    reasons: list[str] = []
    probe = Scripted(story=passes_after(0), takes_s=9, attempt_s=1)

    await pass_gate(((probe,),), TARGET, timeout_s=5, on_reason=reasons.append)

    assert reasons == ["scripted did not end within 1 s"]
    assert len(probe.asked_at) == 2


async def test_gate_fails_after_5_s_when_the_same_suspect_answers() -> None:
    """Waiting does not turn a 404 into a health page."""
    began = anyio.current_time()
    failure = await expect_failure(Scripted(story=lambda _: NOT_FOUND))

    assert failure.cause is FailureCause.MISCONFIGURED
    assert failure.reason == (
        "the probe or the service is misconfigured: GET /health answered 404 Not Found; "
        "the same answer (HTTP 404) for 5 s"
    )
    assert anyio.current_time() - began == pytest.approx(5.0, abs=0.1)


async def test_gate_goes_on_when_suspects_change() -> None:
    """Only the same suspicious answer counts, and a plain `not yet` between clears it."""

    def story(since_s: float) -> Outcome:
        if since_s < 4:
            return NOT_FOUND
        if since_s < 4.5:
            return REFUSED
        return NOT_FOUND if since_s < 9 else Passed()

    assert isinstance(await pass_gate(((Scripted(story=story),),), TARGET, timeout_s=60), Passed)


async def test_gate_fails_at_once_when_an_answer_is_final() -> None:
    """A command that does not exist is not tried again, and the other probes stop."""
    began = anyio.current_time()
    final = Scripted(story=lambda _: NotYet(reason="no such command", final=True), takes_s=0.1)
    failure = await expect_failure(Scripted(story=lambda _: REFUSED), final)

    assert (failure.cause, failure.reason) == (FailureCause.FINAL, "no such command")
    assert anyio.current_time() - began == pytest.approx(0.1)


async def test_gate_asks_probes_at_the_same_time_when_they_share_a_stage() -> None:
    """Two slow probes take as long as one."""
    began = anyio.current_time()
    probes = tuple(Scripted(story=passes_after(0), takes_s=1) for _ in range(2))

    await pass_gate((probes,), TARGET, timeout_s=10)

    assert anyio.current_time() - began == pytest.approx(1.0)


async def test_gate_asks_the_second_stage_when_the_first_has_passed() -> None:
    """An expensive health check waits for the port."""
    port, health = Scripted(story=passes_after(2)), Scripted(story=passes_after(0))

    await pass_gate(((port,), (health,)), TARGET, timeout_s=10)

    assert health.asked_at[0] >= port.asked_at[0] + 2


async def test_reason_is_told_once_when_it_does_not_change() -> None:
    """The live view hears of changes only."""
    reasons: list[str] = []

    def story(since_s: float) -> Outcome:
        return REFUSED if since_s < 1 else NotYet(reason="answered 503") if since_s < 2 else Passed()

    await pass_gate(((Scripted(story=story),),), TARGET, timeout_s=10, on_reason=reasons.append)

    assert reasons == ["nothing listens", "answered 503"]


async def test_stranger_is_named_when_it_answers_on_the_port() -> None:
    """A stale process that answers well is not the service."""
    problem = "port 8000 is answered by pid 77 (python stale.py), which is not part of api"

    async def find_owner() -> str | None:
        return problem

    probe = Scripted(story=passes_after(0))
    outcome = await pass_gate(((probe,),), TARGET, timeout_s=60, owner_problem=find_owner)

    assert isinstance(outcome, GateFailure)
    assert outcome.reason == f"{problem}, still so after 5 s"
    assert probe.asked_at == []


async def test_gate_passes_when_the_stranger_leaves() -> None:
    """The port may be handed over while we look."""
    began = anyio.current_time()

    async def find_owner() -> str | None:
        return "port 8000 is answered by pid 77" if anyio.current_time() - began < 3 else None

    outcome = await pass_gate(((Scripted(story=passes_after(0)),),), TARGET, timeout_s=60, owner_problem=find_owner)

    assert isinstance(outcome, Passed)


async def test_answer_does_not_count_when_the_owner_turns_out_to_be_a_stranger() -> None:
    """Between the look and the answer somebody else may have taken the port."""
    looks = iter([None, "port 8000 is answered by pid 77", None, None])

    async def find_owner() -> str | None:
        return next(looks)

    probe = Scripted(story=passes_after(0))
    outcome = await pass_gate(((probe,),), TARGET, timeout_s=60, owner_problem=find_owner)

    assert isinstance(outcome, Passed)
    assert len(probe.asked_at) == 2


async def collect_changes(story: Story, *, until_s: float) -> list[tuple[float, str | None]]:
    """Return what the watch reports and when, in seconds since it began; the story's clock starts there too."""
    began = anyio.current_time()
    probe = Scripted(story=lambda _: story(anyio.current_time() - began))
    changes = []
    with anyio.move_on_after(until_s):
        async for change in watch_gate(((probe,),), TARGET, pause_s=5, doubt_pause_s=1):
            changes.append((anyio.current_time() - began, change))  # noqa: PERF401 - kept when cut off
    return changes


async def test_watch_is_silent_when_the_service_stays_well() -> None:
    """Health that does not change is no news."""
    assert await collect_changes(lambda _: Passed(), until_s=100) == []


async def test_watch_is_silent_when_a_failure_passes_by() -> None:
    """One failure, and two, are not yet an illness."""
    assert await collect_changes(lambda now: REFUSED if 9 < now < 12 else Passed(), until_s=100) == []


async def test_watch_reports_once_when_a_service_sickens_and_recovers() -> None:
    """Three failures in a row are told once, and so is the recovery."""
    changes = await collect_changes(lambda now: REFUSED if 9 < now < 30 else Passed(), until_s=100)

    assert changes == [(pytest.approx(12), "nothing listens"), (pytest.approx(30), None)]


async def test_watch_ends_at_once_when_nothing_can_be_watched() -> None:
    """A line in a log proves a start only."""
    probe = Scripted(story=passes_after(0), is_watched=False)

    assert [change async for change in watch_gate(((probe,),), TARGET)] == []
