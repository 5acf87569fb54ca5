"""Snapshots as values: names, which ones may go, how they are told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from devenv.domain.snapshots import (
    KEPT,
    Snapshot,
    Why,
    decode_snapshot,
    describe_snapshot,
    encode_snapshot,
    find_rollback,
    is_name,
    select_expired,
    sort_newest_first,
    suggest_name,
)

SNAPSHOT = Snapshot(
    name="before-demo",
    service="api",
    why=Why.ASKED,
    taken_at="2025-01-31T14:05:09.123Z",
    database="database shop at 127.0.0.1:5432",
    dialect="postgresql",
    server_version="PostgreSQL 15.18",
    fingerprint="f" * 64,
    checksum="c" * 64,
    size_bytes=1_300_000,
    devenv_version="1.0",
    tables=("orders", "users"),
    rows=3000,
    extensions=("citext",),
    migrations={"Alembic": ("0001", "0002")},
    owners=("app",),
    grantees=("reader",),
    commit="1234567890abcdef",
    has_changes=True,
)


def taken(day: int, why: Why = Why.MIGRATE, service: str = "api") -> Snapshot:
    """Return a snapshot of that day of a month."""
    return replace(
        SNAPSHOT, name=f"{service}-{day:02}", taken_at=f"2025-01-{day:02}T00:00:00Z", why=why, service=service
    )


def test_snapshot_is_the_same_when_read_back() -> None:
    """Through JSON and back nothing is lost, and a later devenv may have added a field."""
    text = json.dumps({**encode_snapshot(SNAPSHOT), "added_later": 1})
    assert decode_snapshot(json.loads(text)) == SNAPSHOT


@pytest.mark.parametrize("text", ["", ".hidden", "-rf", "a/b", "..", "a b", "a" * 121, "ü"])
def test_name_is_refused_when_it_is_no_plain_file_name(text: str) -> None:
    """It becomes a folder."""
    assert not is_name(text)


def test_suggested_name_is_one_that_is_allowed() -> None:
    """Service and time; whatever a service is called."""
    assert suggest_name("my api", SNAPSHOT.taken_at, ()) == "my-api-20250131-140509"
    assert is_name(suggest_name("my api", SNAPSHOT.taken_at, ()))


def test_suggested_name_has_a_number_when_the_second_is_taken() -> None:
    """Two in one second are two."""
    names: list[str] = []
    for _ in range(3):
        names.append(suggest_name("api", SNAPSHOT.taken_at, names))
    assert names == ["api-20250131-140509", "api-20250131-140509-2", "api-20250131-140509-3"]


def test_expired_ones_are_the_oldest_automatic_ones_of_the_service() -> None:
    """What somebody asked for, and what belongs to another service, stays."""
    asked = [taken(1, Why.ASKED), taken(2, Why.ASKED)]
    automatic = [taken(day, Why.RESTORE if day % 2 else Why.MIGRATE) for day in range(3, 3 + KEPT + 2)]
    others = [taken(day, service="web") for day in range(1, 1 + KEPT)]
    expired = select_expired([*automatic, *others, *asked], "api")
    assert set(names_of(expired)) == {"api-03", "api-04"}


def test_spared_one_is_not_expired() -> None:
    """It is being restored."""
    automatic = [taken(day) for day in range(1, 1 + KEPT + 2)]
    assert names_of(select_expired(automatic, "api", spared="api-01")) == ["api-02"]


def test_rollback_is_the_newest_one_before_a_migration() -> None:
    """Not one before a restore, nor another service's."""
    known = [taken(1), taken(3), taken(4, Why.RESTORE), taken(5, Why.ASKED), taken(6, service="web")]
    found = find_rollback(known, "api")
    assert found is not None
    assert found.name == "api-03"
    assert find_rollback(known, "worker") is None


def test_newest_comes_first() -> None:
    """As a list is read."""
    assert names_of(sort_newest_first([taken(2), taken(9), taken(5)])) == ["api-09", "api-05", "api-02"]


def test_description_counts_what_is_in_it() -> None:
    """One line, the last migration by name."""
    said = describe_snapshot(SNAPSHOT)
    assert said == "2 tables, about 3,000 rows, 2 migrations of Alembic (last 0002), 1.3 MB"
    none = replace(SNAPSHOT, tables=("users",), rows=1, migrations={"Alembic": ()})
    assert describe_snapshot(none) == "1 table, about 1 row, no migration of Alembic, 1.3 MB"


def names_of(snapshots: object) -> list[str]:
    """Return their names."""
    assert isinstance(snapshots, tuple)
    return [one.name for one in snapshots]
