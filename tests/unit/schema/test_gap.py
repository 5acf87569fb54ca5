"""What a checkout will miss once a snapshot is restored: in sentences, beforehand."""

from __future__ import annotations

from dataclasses import replace

from devenv.domain.snapshots import Snapshot
from devenv.schema.gap import describe_gap, order_applied
from devenv.schema.records.state import Failure, Migration, RecordState
from tests.unit.domain.test_snapshots import SNAPSHOT

KNOWN = (
    Migration(id="0001", creates=frozenset({"users"})),
    Migration(id="0002", creates=frozenset({"orders"})),
    Migration(id="0003", creates=frozenset({"items", "tags"})),
)
STATE = RecordState(tool="alembic", title="Alembic", table="alembic_version", folder="/shop/migrations", known=KNOWN)


def snapshot(*applied: str, tables: tuple[str, ...] = ("public.users",)) -> Snapshot:
    """Return one with these migrations."""
    return replace(SNAPSHOT, migrations={"alembic": applied}, tables=tables)


def test_older_snapshot_tells_migrations_tables_and_the_last_applied() -> None:
    """The tables of the migrations that it lacks, as far as it lacks them."""
    (said,) = describe_gap(snapshot("0001", tables=("public.users", "tags")), [STATE], ())
    assert said.startswith("it is 2 Alembic migrations older than this checkout (last applied 0001), ")
    assert said.endswith("which will miss 2 tables (items, orders)")


def test_nothing_is_said_when_nothing_is_missing() -> None:
    """It has all that the checkout and the database have."""
    assert describe_gap(snapshot("0001", "0002", "0003"), [STATE], ["public.users"]) == ()


def test_snapshot_before_all_migrations_says_so() -> None:
    """None applied, whether its record was empty or not there."""
    for before in (snapshot(tables=()), replace(SNAPSHOT, migrations={}, tables=())):
        (said,) = describe_gap(before, [STATE], ())
        assert "3 Alembic migrations older than this checkout (none applied)" in said
        assert "4 tables (items, orders, tags, users)" in said


def test_tool_that_the_snapshot_does_not_know_is_left_out() -> None:
    """Its record says what it was made with."""
    other = replace(STATE, tool="prisma", title="Prisma")
    assert describe_gap(snapshot("0001", "0002", "0003"), [other], ()) == ()


def test_newer_snapshot_tells_what_the_checkout_does_not_have() -> None:
    """By their ids."""
    (said,) = describe_gap(snapshot("0001", "0002", "0003", "0004"), [STATE], ())
    assert said == "it has 1 Alembic migration that this checkout does not have: 0004"


def test_tables_of_the_present_that_will_go_are_told_in_part() -> None:
    """Seven are a count and five names."""
    (said,) = describe_gap(snapshot("0001", "0002", "0003"), [STATE], [f"t{number}" for number in range(7)])
    assert said == "7 tables of the database as it is now are not in it: t0, t1, t2, t3, t4 and 2 more"


def test_applied_ones_are_in_the_order_of_their_files_whatever_the_record_holds() -> None:
    """Alembic records its newest only; pending and failed ones are not applied, unknown ones come last."""
    state = replace(STATE, applied=("0002",), pending=KNOWN[2:], failed=(Failure(id="0001"),), unknown=("gone",))
    assert order_applied([state]) == {"alembic": ("0002", "gone")}
    assert order_applied([replace(STATE, has_table=False)]) == {}
