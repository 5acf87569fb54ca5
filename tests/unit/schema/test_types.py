"""How types relate: every spelling of one type is the same, and what the database cannot hold is told."""

from __future__ import annotations

import pytest

from devenv.schema.ir import Dialect
from devenv.schema.types import Relation, relate

PG, MYSQL, SQLITE = Dialect.POSTGRESQL, Dialect.MYSQL, Dialect.SQLITE

SPELLINGS = [
    (PG, "VARCHAR(80)", "character varying(80)"),
    (PG, "VARCHAR", "character varying"),
    (PG, 'VARCHAR(80) COLLATE "C"', "character varying(80)"),
    (PG, "CHAR(2)", "character(2)"),
    (PG, "char", "character(1)"),
    (PG, "TEXT", "text"),
    (PG, "VARCHAR", "text"),
    (PG, "TIMESTAMP WITH TIME ZONE", "timestamp with time zone"),
    (PG, "TIMESTAMP WITHOUT TIME ZONE", "timestamp without time zone"),
    (PG, "TIMESTAMP(3)", "timestamp(3) without time zone"),
    (PG, "TIMESTAMPTZ(3)", "timestamp(3) with time zone"),
    (PG, "TIME", "time without time zone"),
    (PG, "INTERVAL(6)", "interval"),
    (PG, "BIGSERIAL", "bigint"),
    (PG, "serial", "integer"),
    (PG, "int4", "INTEGER"),
    (PG, "int2", "smallint"),
    (PG, "FLOAT", "double precision"),
    (PG, "FLOAT(24)", "real"),
    (PG, "DECIMAL(65,30)", "numeric(65,30)"),
    (PG, "numeric(10, 2)", "numeric(10,2)"),
    (PG, "NUMERIC(10)", "numeric(10,0)"),
    (PG, "BOOLEAN", "bool"),
    (PG, "BYTEA", "bytea"),
    (PG, "JSONB", "jsonb"),
    (PG, "UUID", "uuid"),
    (PG, "TEXT[]", "text[]"),
    (PG, "INTEGER[][]", "integer[]"),
    (PG, "VARCHAR(20) ARRAY", "character varying(20)[]"),
    (PG, "CITEXT", "public.citext"),
    (PG, "VECTOR(3)", "extensions.vector(3)"),
    (PG, "geometry(POINT,4326)", "geometry(Point,4326)"),
    (PG, "HSTORE", "hstore"),
    (PG, "INET", "inet"),
    (PG, "order_number", '"order_number"'),
    (MYSQL, "BOOL", "tinyint(1)"),
    (MYSQL, "INTEGER", "int(11)"),
    (MYSQL, "INTEGER UNSIGNED", "int(10) unsigned"),
    (MYSQL, "BIGINT AUTO_INCREMENT", "bigint(20)"),
    (MYSQL, "INTEGER(4) UNSIGNED ZEROFILL", "int(4) unsigned zerofill"),
    (MYSQL, "serial", "bigint(20) unsigned"),
    (MYSQL, "NUMERIC", "decimal(10,0)"),
    (MYSQL, "DOUBLE PRECISION", "double"),
    (MYSQL, "FLOAT", "float"),
    (MYSQL, "REAL", "double"),
    (MYSQL, "DATETIME(6)", "datetime(6)"),
    (MYSQL, "VARCHAR(80) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "varchar(80)"),
    (MYSQL, "NVARCHAR(80)", "varchar(80)"),
    (MYSQL, "TEXT(1000)", "text"),
    (MYSQL, "BLOB", "blob"),
    (MYSQL, "JSON", "json"),
    (MYSQL, "JSON", "longtext"),
    (MYSQL, "CHAR(32)", "uuid"),
    (MYSQL, "ENUM('a','b')", "enum('b','a')"),
    (SQLITE, "VARCHAR(80)", "TEXT"),
    (SQLITE, "BIGINT", "INTEGER"),
    (SQLITE, "BOOLEAN", "INTEGER"),
    (SQLITE, "DATETIME", "TEXT"),
    (SQLITE, "JSON", "TEXT"),
    (SQLITE, "DECIMAL(10,2)", "NUMERIC"),
    (SQLITE, "FLOAT", "REAL"),
    (SQLITE, "INTEGER", ""),
]

RELATIONS = [
    (PG, "INTEGER", "bigint", Relation.WIDER),
    (PG, "BIGINT", "integer", Relation.NARROWER),
    (PG, "FLOAT", "real", Relation.NARROWER),
    (PG, "VARCHAR(80)", "character varying(200)", Relation.LENGTH),
    (PG, "VARCHAR(80)", "character varying(40)", Relation.LENGTH),
    (PG, "VARCHAR(80)", "text", Relation.WIDER),
    (PG, "TEXT", "character varying(80)", Relation.NARROWER),
    (PG, "VARCHAR(80)", "character(80)", Relation.UNCERTAIN),
    (PG, "CHAR(2)", "character varying(2)", Relation.SAME),
    (PG, "NUMERIC", "numeric(10,2)", Relation.NARROWER),
    (PG, "NUMERIC(10,2)", "numeric", Relation.WIDER),
    (PG, "NUMERIC(10,2)", "numeric(12,2)", Relation.WIDER),
    (PG, "NUMERIC(10,2)", "numeric(10,4)", Relation.NARROWER),
    (PG, "NUMERIC(10,2)", "numeric(10,0)", Relation.NARROWER),
    (PG, "TIMESTAMP(6)", "timestamp(3) without time zone", Relation.LENGTH),
    (PG, "TIMESTAMP(3)", "timestamp without time zone", Relation.WIDER),
    (PG, "TIMESTAMP", "timestamp with time zone", Relation.DIFFERENT),
    (PG, "TIMESTAMP WITH TIME ZONE", "date", Relation.DIFFERENT),
    (PG, "INTEGER", "text", Relation.DIFFERENT),
    (PG, "INTEGER", "numeric(10,0)", Relation.DIFFERENT),
    (PG, "BOOLEAN", "smallint", Relation.DIFFERENT),
    (PG, "UUID", "text", Relation.DIFFERENT),
    (PG, "JSON", "jsonb", Relation.WIDER),
    (PG, "JSONB", "json", Relation.NARROWER),
    (PG, "JSONB", "text", Relation.DIFFERENT),
    (PG, "TEXT", "citext", Relation.WIDER),
    (PG, "CITEXT", "text", Relation.DIFFERENT),
    (PG, "TEXT[]", "text", Relation.DIFFERENT),
    (PG, "BIGINT[]", "integer[]", Relation.NARROWER),
    (PG, "VECTOR(3)", "vector(4)", Relation.DIFFERENT),
    (PG, "VECTOR(3)", "vector", Relation.WIDER),
    (PG, "geometry(POINT,4326)", "geometry(Point,3857)", Relation.LENGTH),
    (PG, "order_number", "text", Relation.UNCERTAIN),
    (PG, "TEXT", "order_number", Relation.UNCERTAIN),
    (MYSQL, "INTEGER", "tinyint(1)", Relation.NARROWER),
    (MYSQL, "BOOL", "int(11)", Relation.WIDER),
    (MYSQL, "INTEGER", "int(10) unsigned", Relation.UNCERTAIN),
    (MYSQL, "INTEGER UNSIGNED", "int(11)", Relation.NARROWER),
    (MYSQL, "INTEGER UNSIGNED", "bigint(20)", Relation.WIDER),
    (MYSQL, "BOOL", "bit(1)", Relation.UNCERTAIN),
    (MYSQL, "DATETIME(6)", "datetime", Relation.LENGTH),
    (MYSQL, "DATETIME", "timestamp", Relation.UNCERTAIN),
    (MYSQL, "TEXT", "longtext", Relation.WIDER),
    (MYSQL, "LONGTEXT", "text", Relation.NARROWER),
    (MYSQL, "LONGTEXT", "json", Relation.DIFFERENT),
    (MYSQL, "BLOB", "text", Relation.DIFFERENT),
    (MYSQL, "ENUM('open','closed')", "varchar(20)", Relation.WIDER),
    (MYSQL, "ENUM('open','closed')", "varchar(4)", Relation.NARROWER),
    (MYSQL, "VARCHAR(20)", "enum('open','closed')", Relation.DIFFERENT),
    (MYSQL, "UUID", "char(36)", Relation.UNCERTAIN),
    (SQLITE, "INTEGER", "TEXT", Relation.DIFFERENT),
    (SQLITE, "TEXT", "BLOB", Relation.DIFFERENT),
    (SQLITE, "INTEGER", "REAL", Relation.UNCERTAIN),
]


@pytest.mark.parametrize(("dialect", "expected", "live"), SPELLINGS)
def test_types_are_the_same_when_only_their_spelling_differs(dialect: Dialect, expected: str, live: str) -> None:
    """Whoever spells a type, code or database, it is one type, seen from either side."""
    assert relate(expected, live, dialect) is Relation.SAME


@pytest.mark.parametrize(("dialect", "expected", "live", "relation"), RELATIONS)
def test_relation_is_told_when_types_differ(dialect: Dialect, expected: str, live: str, relation: Relation) -> None:
    """What the database can hold decides, not what it calls it."""
    assert relate(expected, live, dialect) is relation


@pytest.mark.parametrize("written", ["", "(", "varchar(", "[]", "enum(", "numeric(,)", "x" * 5000, "a(b(c))"])
def test_reading_never_fails_when_a_type_is_nonsense(written: str) -> None:
    """A type comes from user code: nothing in it ends the comparison."""
    assert {relate(written, "text", dialect) for dialect in Dialect} <= set(Relation)
