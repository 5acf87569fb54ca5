"""What a Prisma schema asks of its database: types, keys, defaults, relations."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from devenv.schema.ir import Column, Dialect, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook
from devenv.schema.prisma.parser import parse_prisma, read_prisma
from devenv.schema.prisma.translate import list_ignored_tables, to_schema

FIXTURES = Path(__file__).parents[3] / "support" / "prisma"


def translate(body: str, provider: str = "postgresql", setting: str = "") -> Schema:
    """Translate models for a database; its datasource takes the first four lines."""
    source = f'datasource db {{\n provider = "{provider}"\n {setting}\n}}\n'
    return to_schema(parse_prisma(source + body, "schema.prisma"))


def column_of(written: str, provider: str = "postgresql", more: str = "") -> Column:
    """Return the column of a field that is written so."""
    return table_of(f"model M {{\n f {written}\n}}\n{more}", "M", provider).columns[0]


def table_of(body: str, name: str, provider: str = "postgresql", setting: str = "") -> Table:
    """Return the table of that name."""
    return next(table for table in translate(body, provider, setting).tables if table.name == name)


@pytest.mark.parametrize(
    ("provider", "written", "wanted"),
    [
        ("postgresql", "String", "text"),
        ("postgresql", "DateTime", "timestamp(3) without time zone"),
        ("postgresql", "Decimal", "numeric(65,30)"),
        ("postgresql", "Float", "double precision"),
        ("postgresql", "Json", "jsonb"),
        ("postgresql", "Bytes", "bytea"),
        ("postgresql", "String[]", "text[]"),
        ("postgresql", "String @db.VarChar(10)", "character varying(10)"),
        ("postgresql", "String @db.VarChar", "character varying"),
        ("postgresql", "String @db.Char", "character(1)"),
        ("postgresql", "DateTime @db.Timestamptz(6)", "timestamp(6) with time zone"),
        ("postgresql", "DateTime @db.Time(0)", "time(0) without time zone"),
        ("postgresql", "Decimal @db.Decimal(10, 2)", "numeric(10,2)"),
        ("postgresql", 'Unsupported("tsvector")', "tsvector"),
        ("postgresql", "String @db.NotInventedYet(3)", "notinventedyet(3)"),
        ("mysql", "String", "varchar(191)"),
        ("mysql", "Boolean", "tinyint(1)"),
        ("mysql", "DateTime", "datetime(3)"),
        ("mysql", "Bytes", "longblob"),
        ("mysql", "Int @db.UnsignedInt", "int unsigned"),
        ("mysql", "Boolean @db.Bit(1)", "bit(1)"),
        ("sqlite", "Decimal", "DECIMAL"),
        ("sqlite", "Json", "JSONB"),
        ("sqlite", "Boolean", "BOOLEAN"),
    ],
)
def test_type_is_the_databases_own_when_a_field_is_translated(provider: str, written: str, wanted: str) -> None:
    """Defaults and native types, as the catalogue would show them."""
    assert column_of(written, provider).type == wanted


def test_native_type_is_found_when_the_datasource_has_another_name() -> None:
    """The prefix of a native type is the name of the datasource."""
    text = 'datasource pg {\n provider = "postgresql"\n}\nmodel M {\n f String @pg.Uuid\n}'
    assert to_schema(parse_prisma(text, "schema.prisma")).tables[0].columns[0].type == "uuid"


@pytest.mark.parametrize(
    ("written", "is_filled"),
    [
        ("Int @default(1)", True),
        ("Int @default(autoincrement())", True),
        ("DateTime @default(now())", True),
        ('String @default(dbgenerated("f()"))', True),
        ("String[] @default([])", True),
        ("Int", False),
        ("String @default(uuid())", False),
        ("String @default(cuid(2))", False),
        ("String @default(nanoid())", False),
        ("String @default(ulid())", False),
        ("DateTime @updatedAt", False),
    ],
)
def test_column_is_filled_when_the_database_has_the_default(written: str, is_filled: bool) -> None:
    """What the client makes up is no default of the database."""
    assert column_of(written).is_filled is is_filled


@pytest.mark.parametrize(("written", "nullable"), [("Int", False), ("Int?", True), ("Int[]", True)])
def test_column_is_nullable_when_it_is_optional_or_a_list(written: str, nullable: bool) -> None:
    """Prisma writes no NOT NULL on a list."""
    assert column_of(written).nullable is nullable


def test_enum_is_a_type_when_the_database_is_postgresql() -> None:
    """Its name and values are those of the database."""
    body = 'model M {\n f E\n}\nenum E {\n A\n B @map("b-2")\n @@map("the_enum")\n}'
    found = translate(body)
    assert (found.enums[0].name, found.enums[0].values) == ("the_enum", ("A", "b-2"))
    assert (found.tables[0].columns[0].type, found.tables[0].columns[0].enum) == ("the_enum", "the_enum")


def test_enum_is_written_inline_when_the_database_is_mysql() -> None:
    """MySQL has no enum types."""
    body = 'enum E {\n A\n B @map("it\'s")\n}'
    found = column_of("E", "mysql", body)
    assert (found.type, found.values, found.enum) == ("enum('A','it''s')", ("A", "it's"), "")
    assert translate(body, "mysql").enums == ()


def test_enum_is_a_text_when_the_database_is_sqlite() -> None:
    """SQLite has no enums at all."""
    assert column_of("E", "sqlite", "enum E {\n A\n}").type == "TEXT"


def test_schema_is_named_when_it_is_not_the_default_one() -> None:
    """`public` is what goes without saying."""
    body = (
        'model A {\n id Int @id\n e E\n @@schema("public")\n}\nmodel B {\n id Int @id\n @@map("b")\n @@schema("x")\n}\n'
    )
    found = translate(body + 'enum E {\n A\n @@schema("x")\n}')
    assert [table.title for table in found.tables] == ["A", "x.b"]
    assert (found.enums[0].title, found.tables[0].columns[1].enum) == ("x.E", "x.E")


def test_keys_are_columns_when_fields_are_mapped() -> None:
    """Keys name fields in the schema, and columns in the database; a bare index is a list of one."""
    body = (
        'model M {\n a Int @map("aa")\n b Int @unique(map: "only_b")\n @@id([a, b])\n @@unique([b, a])\n'
        '@@index([a(sort: Desc), b(ops: raw("x"))], type: Gin)\n @@index(a)\n @@index([b], where: { b: 1 })\n}'
    )
    found = table_of(body, "M")
    assert found.primary_key == ("aa", "b")
    assert found.indexes == (
        Index(columns=("b",), unique=True, name="only_b"),
        Index(columns=("b", "aa"), unique=True),
        Index(columns=("aa", "b")),
        Index(columns=("aa",)),
        Index(columns=("b",), partial=True),
    )


RELATION = (
    'model A {\n id Int @id @map("key")\n bs B[]\n @@map("as")\n}\n'
    'model B {\n id Int @id\n aId Int @map("a_id")\n a A @relation(fields: [aId], references: [id], map: "b_of_a")\n}\n'
)


def test_relation_is_a_foreign_key_when_it_names_its_fields() -> None:
    """Only one side of a relation has a column, and neither relation field is one."""
    found = table_of(RELATION, "B")
    assert found.foreign_keys == (ForeignKey(columns=("a_id",), table="as", targets=("key",), name="b_of_a"),)
    assert [column.name for column in found.columns] == ["id", "a_id"]
    assert [table.name for table in translate(RELATION).tables] == ["as", "B"]


def test_relation_is_no_foreign_key_when_prisma_keeps_it_itself() -> None:
    """`relationMode = "prisma"` leaves the database without them."""
    assert table_of(RELATION, "B", setting='relationMode = "prisma"').foreign_keys == ()


def test_join_table_is_expected_when_both_ends_are_lists() -> None:
    """Its name and columns follow the names of the models, its types their keys."""
    body = (
        'model Tag {\n id String @id @db.Uuid\n posts Post[]\n}\nmodel Post {\n id Int @id\n tags Tag[]\n @@map("p")\n}'
    )
    found = table_of(body, "_PostToTag")
    assert [(column.name, column.type, column.nullable) for column in found.columns] == [
        ("A", "integer", False),
        ("B", "uuid", False),
    ]
    assert [key.table for key in found.foreign_keys] == ["p", "Tag"]
    assert Index(columns=("A", "B"), unique=True) in found.indexes


def test_join_table_has_the_relations_name_when_it_has_one() -> None:
    """Two relations of the same models are told apart by name."""
    body = (
        'model A {\n id Int @id\n x B[] @relation("first")\n y B[] @relation(name: "second")\n}\n'
        'model B {\n id Int @id\n x A[] @relation("first")\n y A[] @relation("second")\n}\n'
    )
    assert [table.name for table in translate(body).tables] == ["A", "B", "_first", "_second"]


def test_join_table_is_one_when_a_model_is_related_to_itself() -> None:
    """Both lists are in the same model."""
    body = 'model U {\n id Int @id\n follows U[] @relation("f")\n by U[] @relation("f")\n}'
    assert [table.name for table in translate(body).tables] == ["U", "_f"]


def test_tree_has_no_join_table_when_a_model_is_its_own_parent() -> None:
    """One list and one single field are one to many."""
    body = (
        'model N {\n id Int @id\n upId Int?\n up N? @relation("t", fields: [upId], references: [id])\n'
        ' down N[] @relation("t")\n}'
    )
    assert [table.name for table in translate(body).tables] == ["N"]


def test_view_is_a_view_without_keys_when_it_is_translated() -> None:
    """A view's unique field is for the client alone."""
    found = table_of("view V {\n day DateTime @unique\n}", "V")
    assert (found.is_view, found.indexes, found.primary_key) == (True, (), ())


def test_composite_type_is_no_table_when_it_is_defined() -> None:
    """It is a part of a document."""
    assert translate("type T {\n a Int\n}").tables == ()


def test_ignored_model_is_named_when_the_client_leaves_it_out() -> None:
    """Migrations make its table; the code does without."""
    prisma = parse_prisma('model Old {\n a Int\n @@map("old")\n @@ignore\n}\nmodel New {\n a Int @id\n}', "x")
    assert list_ignored_tables(prisma) == ("old",)


@pytest.mark.parametrize("provider", ["cockroachdb", "mongodb", "sqlserver", ""])
def test_database_is_refused_when_it_is_not_compared(provider: str) -> None:
    """What would give false differences is not compared."""
    with pytest.raises(CannotLook) as caught:
        translate("", provider)
    assert (caught.value.code, caught.value.place) == ("prisma-provider", "schema.prisma:1")


def test_schema_is_refused_when_it_has_no_datasource() -> None:
    """Nothing says which database it is for."""
    with pytest.raises(CannotLook) as caught:
        to_schema(parse_prisma("model A {\n id Int @id\n}", "schema.prisma"))
    assert caught.value.code == "prisma-provider"


def test_source_and_places_are_told_when_a_schema_is_translated() -> None:
    """Differences point to the line of the field."""
    found = translate("model A {\n id Int @id\n}")
    assert (found.source, found.dialect, found.default_schema) == (
        "Prisma schema.prisma",
        Dialect.POSTGRESQL,
        "public",
    )
    assert (found.tables[0].place, found.tables[0].columns[0].place) == ("schema.prisma:5", "schema.prisma:6")


def test_columns_are_those_of_prismas_own_engine_when_the_database_is_sqlite() -> None:
    """Every table, column, type and NOT NULL of the engine's own SQL."""
    expected = to_schema(read_prisma(FIXTURES / "small_sqlite.prisma"))
    with closing(sqlite3.connect(":memory:")) as live:
        live.executescript((FIXTURES / "small_sqlite.sql").read_text())
        names = [name for (name,) in live.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {
            name: [(row[1], row[2], not row[3]) for row in live.execute(f'PRAGMA table_info("{name}")')]
            for name in names
            if name != "sqlite_sequence"
        }
    assert found == {
        table.name: [(column.name, column.type, column.nullable) for column in table.columns]
        for table in expected.tables
    }
