"""Whether the tables that an import file writes to exist yet."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from devenv.domain.findings import Severity, Topic
from devenv.schema.ports import CannotLook
from devenv.schema.seeding import describe_missing, missing_tables
from tests.support.fakes_databases import MemoryDatabase

SHOP = "CREATE TABLE users (id int);"


def missing(folder: Path, *texts: str | bytes, script: str = SHOP) -> tuple[str, ...]:
    """Return what is missing for files with these texts, in a database that `script` made."""
    files = []
    for number, text in enumerate(texts):
        files.append(folder / f"{number}.sql")
        files[-1].write_bytes(text if isinstance(text, bytes) else text.encode())
    return missing_tables(files, MemoryDatabase(script))


def test_tables_are_missing_when_nothing_makes_them(tmp_path: Path) -> None:
    """They come in the order of writing, each once."""
    text = (
        "INSERT INTO users VALUES (1); INSERT INTO orders VALUES (1); INSERT INTO items VALUES (1); DELETE FROM orders;"
    )
    assert missing(tmp_path, text) == ("orders", "items")


def test_nothing_is_missing_when_the_dump_makes_its_own_tables(tmp_path: Path) -> None:
    """A dump of pg_dump creates, then copies."""
    text = "CREATE TABLE public.orders (id int);\nCOPY public.orders (id) FROM stdin;\n1\n\\.\n"
    assert missing(tmp_path, text) == ()


def test_nothing_is_missing_when_another_file_of_the_import_makes_the_table(tmp_path: Path) -> None:
    """The files of one task run one after the other."""
    assert missing(tmp_path, "CREATE TABLE orders (id int);", "INSERT INTO orders VALUES (1);") == ()


@pytest.mark.parametrize(
    "include", ["\\i tables.sql", "\\ir 'tables.sql'", "\\include tables.sql", ".read tables.sql", "source tables.sql"]
)
def test_included_files_count_when_they_lie_beside(tmp_path: Path, include: str) -> None:
    """What they make is made, what they write to is written; a circle ends."""
    (tmp_path / "tables.sql").write_text("CREATE TABLE orders (id int);\nINSERT INTO items VALUES (1);\n\\i 0.sql\n")
    text = f"{include}\n\\i gone.sql\nINSERT INTO orders VALUES (1);\n"
    assert missing(tmp_path, text) == ("items",)


def test_nothing_is_asked_when_the_files_write_to_nothing(tmp_path: Path) -> None:
    """A file of settings needs no database."""
    path = tmp_path / "empty.sql"
    path.write_text("SET client_encoding = 'UTF8';\n")
    live = MemoryDatabase()
    assert missing_tables([path], live) == ()
    assert live.asked == []


def test_case_does_not_matter_when_names_are_compared(tmp_path: Path) -> None:
    """`Users` and `USERS` are what the database calls `users`."""
    assert missing(tmp_path, 'INSERT INTO "Users" VALUES (1); INSERT INTO USERS VALUES (1);') == ()


def test_catalogue_is_not_missing_when_a_dump_writes_to_it(tmp_path: Path) -> None:
    """Dumps set sequences and versions in the database's own tables."""
    text = "DELETE FROM sqlite_sequence; UPDATE pg_catalog.pg_class SET relname = 'x'; INSERT INTO orders VALUES (1);"
    assert missing(tmp_path, text) == ("orders",)


def test_table_exists_when_the_file_chooses_its_schema(tmp_path: Path) -> None:
    """`USE` and `search_path` say where names without a schema lie."""
    assert missing(tmp_path, "USE `main`; INSERT INTO users VALUES (1);") == ()
    assert missing(tmp_path, "USE main\nINSERT INTO users VALUES (1);") == ()
    assert missing(tmp_path, "SET search_path TO app, 'main'; INSERT INTO users VALUES (1);") == ()


def test_table_is_missing_when_it_exists_in_another_schema(tmp_path: Path) -> None:
    """`app.users` is not `main.users`."""
    assert missing(tmp_path, "INSERT INTO app.users VALUES (1);") == ("app.users",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_file_is_read_when_it_begins_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    """What PowerShell writes is SQL as well."""
    assert missing(tmp_path, "INSERT INTO orders VALUES (1);".encode(encoding)) == ("orders",)


def test_file_is_read_when_it_is_gzipped(tmp_path: Path) -> None:
    """Whatever it is called."""
    assert missing(tmp_path, gzip.compress(b"INSERT INTO orders VALUES (1);")) == ("orders",)


def test_file_is_read_when_it_is_longer_than_a_chunk(tmp_path: Path) -> None:
    """A statement after megabytes of data counts."""
    rows = "".join(f"{number}\tit's some text\n" for number in range(70_000))
    text = f"COPY users FROM stdin;\n{rows}\\.\nINSERT INTO orders VALUES (1);"
    assert len(text) > 1 << 20
    assert missing(tmp_path, text) == ("orders",)


def test_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """The import would fail in the same way."""
    with pytest.raises(CannotLook) as caught:
        missing_tables([tmp_path / "seed.sql"], MemoryDatabase())
    assert (caught.value.code, caught.value.severity) == ("import-missing", Severity.ERROR)
    assert caught.value.reason == f"{tmp_path}/seed.sql does not exist"


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"PGDMP\x01\x0f\0", "import-binary", "0.sql is an archive of pg_dump and no SQL"),
        (b"\x89PNG\r\n\0\0", "import-binary", "0.sql is a binary file and no SQL"),
        (gzip.compress(b"PGDMP\0"), "import-binary", "0.sql is an archive of pg_dump and no SQL"),
        (gzip.compress(b"INSERT INTO a VALUES (1);" * 99)[:30], "import-unreadable", "0.sql cannot be read: "),
        (b"\x1f\x8b\x08\0 no gzip at all", "import-unreadable", "0.sql cannot be read: "),
    ],
    ids=["archive", "picture", "gzipped archive", "gzip cut off", "no gzip"],
)
def test_check_cannot_be_made_when_the_file_is_no_sql(tmp_path: Path, content: bytes, code: str, words: str) -> None:
    """An archive, a picture, a download that was cut off: said as such."""
    with pytest.raises(CannotLook) as caught:
        missing(tmp_path, content)
    assert (caught.value.code, caught.value.severity) == (code, Severity.UNKNOWN)
    assert words in caught.value.reason


def test_check_cannot_be_made_when_the_file_is_a_folder(tmp_path: Path) -> None:
    """The system's own words say why."""
    with pytest.raises(CannotLook, match="cannot be read: Is a directory"):
        missing_tables([tmp_path], MemoryDatabase())


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (("a",), "it writes to a, which does not exist yet in"),
        (("a", "b"), "it writes to a, b; neither exists yet in"),
        (("a", "b", "c"), "it writes to a, b, c; none of them exists yet in"),
        (("a", "b", "c", "d", "e"), "it writes to 5 tables that do not exist yet: a, b, c and 2 more in"),
    ],
)
def test_sentence_fits_when_tables_are_counted(tables: tuple[str, ...], words: str) -> None:
    """A long list is behind the count."""
    found = describe_missing([Path("db/seed.sql")], tables, place="database app", fix="devenv migrate api")
    assert found.text.startswith("Import seed.sql not started: ")
    assert f"{words} database app." in found.text
    assert (found.severity, found.topic, found.fix) == (Severity.ERROR, Topic.IMPORT, "devenv migrate api")
    assert found.details == (tables if len(tables) > 3 else ())
