"""The fingerprint of a schema: what changes it, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.schema.fingerprint import fingerprint_schema
from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Schema, Table

ID = Column(name="id", type="integer", nullable=False)
USERS = Table(
    name="users",
    columns=(ID, Column(name="email", type="text")),
    primary_key=("id",),
    uniques=(("email",), ("id", "email")),
    indexes=(Index(columns=("email",), name="a"), Index(columns=("id",), name="b")),
)
ORDERS = Table(
    name="orders", columns=(ID,), foreign_keys=(ForeignKey(columns=("id",), table="users", targets=("id",)),)
)
STATE = Enum(name="state", values=("new", "paid"))
SCHEMA = Schema(dialect=Dialect.POSTGRESQL, source="PostgreSQL 15.18", tables=(USERS, ORDERS), enums=(STATE,))


def with_users(**facts: object) -> Schema:
    """Return the schema with another table of users."""
    return replace(SCHEMA, tables=(replace(USERS, **facts), ORDERS))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "same",
    [
        replace(SCHEMA, tables=(ORDERS, USERS)),
        replace(SCHEMA, source="PostgreSQL 16.4"),
        with_users(place="models.py:3"),
        with_users(columns=(replace(ID, place="models.py:4"), USERS.columns[1])),
        with_users(uniques=USERS.uniques[::-1]),
        with_users(indexes=USERS.indexes[::-1]),
    ],
)
def test_fingerprint_stays_when_only_order_version_or_place_differ(same: Schema) -> None:
    """A server lists things as it likes."""
    assert fingerprint_schema(same) == fingerprint_schema(SCHEMA)


@pytest.mark.parametrize(
    "other",
    [
        replace(SCHEMA, tables=(USERS,)),
        replace(SCHEMA, dialect=Dialect.MYSQL),
        replace(SCHEMA, enums=(replace(STATE, values=("paid", "new")),)),
        with_users(schema="archive"),
        with_users(is_view=True),
        with_users(columns=USERS.columns[::-1]),
        with_users(columns=(replace(ID, type="bigint"), USERS.columns[1])),
        with_users(columns=(replace(ID, nullable=True), USERS.columns[1])),
        with_users(primary_key=()),
        with_users(uniques=(("email",),)),
        with_users(indexes=(replace(USERS.indexes[0], unique=True), USERS.indexes[1])),
        with_users(foreign_keys=ORDERS.foreign_keys),
    ],
)
def test_fingerprint_differs_when_the_schema_does(other: Schema) -> None:
    """One change is enough."""
    assert fingerprint_schema(other) != fingerprint_schema(SCHEMA)
