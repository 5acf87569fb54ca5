"""Which findings are accepted, and which ids of an `accept` file accept nothing any more."""

from __future__ import annotations

import pytest

from devenv.schema.accepted import read_accepted, without_accepted
from devenv.schema.differences import Difference, Kind

INDEX = Difference(kind=Kind.INDEX_MISSING, table="orders", part="customer_id, placed_at")
KEYS = tuple(
    Difference(kind=Kind.FOREIGN_KEY_MISSING, table="orders", part=part) for part in ("customer_id", "shop_id")
)


@pytest.mark.parametrize(
    "data",
    [
        ["index-missing:orders.customer_id, placed_at", "foreign-key-missing:*"],
        {"index-missing:orders.customer_id, placed_at": "too small to matter", "foreign-key-missing:*": None},
    ],
)
def test_ids_are_read_when_listed_or_given_reasons(data: object) -> None:
    """A reason is for people: the ids are what counts."""
    assert read_accepted(data) == {INDEX.id, "foreign-key-missing:*"}


def test_nothing_is_accepted_when_the_file_is_empty() -> None:
    """An empty YAML file is None."""
    assert read_accepted(None) == frozenset()


@pytest.mark.parametrize("data", ["orders", 7, ["Orders are fine"], [{"id": "x"}], [None], {3: "reason"}, [""]])
def test_the_mistake_is_named_when_the_file_holds_no_ids(data: object) -> None:
    """Each wrong value stands in the sentence that refuses it."""
    with pytest.raises(ValueError, match=r"finding id"):
        read_accepted(data)


def test_difference_is_left_out_when_its_id_is_accepted() -> None:
    """The others stay, in their order."""
    assert without_accepted((KEYS[0], INDEX, KEYS[1]), {INDEX.id}) == (KEYS, ())


def test_differences_are_left_out_when_a_glob_matches() -> None:
    """One line accepts all foreign keys that were dropped on purpose."""
    assert without_accepted((*KEYS, INDEX), {"foreign-key-missing:*"}) == ((INDEX,), ())


def test_id_is_told_when_it_accepts_nothing() -> None:
    """So that the file can be cleaned; in alphabetical order."""
    accepted = {"table-extra:old", INDEX.id, "enum-*:gone"}
    assert without_accepted((INDEX,), accepted) == ((), ("enum-*:gone", "table-extra:old"))
