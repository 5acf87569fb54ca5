"""What SQL files make and write to, with everything in them that only looks like a statement."""

from __future__ import annotations

import pytest

from devenv.schema.sql_text import (
    Made,
    columns_added,
    made_by,
    read_made,
    read_statements,
    tables_created,
    tables_written,
)

GHOST = "INSERT INTO ghost VALUES (1);"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("CREATE TABLE orders (id int);", "orders"),
        ('create table if not exists App."Order Items" (id int)', "app.order items"),
        ("CREATE TABLE `shop`.`orders` (`id` int);", "shop.orders"),
        ("CREATE TABLE [dbo].[Orders] (id int);", "dbo.orders"),
        ("CREATE TABLE app.shop.orders (id int);", "shop.orders"),
        ('CREATE TABLE "we""ird" (id int);', 'we"ird'),
        ("CREATE TABLE größe (id int);", "größe"),
        ("CREATE UNLOGGED TABLE a (id int);", "a"),
        ("CREATE GLOBAL TEMPORARY TABLE a (id int);", "a"),
        ("CREATE VIRTUAL TABLE a USING fts5(text);", "a"),
        ("CREATE OR REPLACE VIEW a AS SELECT 1;", "a"),
        ("CREATE MATERIALIZED VIEW a AS SELECT 1;", "a"),
        ("ALTER TABLE old RENAME TO a;", "a"),
        ("ALTER TABLE app.old RENAME TO a;", "app.a"),
    ],
)
def test_table_is_made_when_created_or_renamed(text: str, table: str) -> None:
    """Names lose their quotes and their case, and keep their schema."""
    assert tables_created(text) == {table}
    assert columns_added(text) == set()


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("ALTER TABLE users ADD COLUMN age int, ADD email text;", {"age", "email"}),
        ('ALTER TABLE IF EXISTS ONLY users ADD COLUMN IF NOT EXISTS "lastSeen" date;', {"lastseen"}),
        ("ALTER TABLE users ADD a numeric(10, 2) CHECK (a > 1), ADD b int;", {"a", "b"}),
        ("ALTER TABLE users ADD CONSTRAINT c UNIQUE (email), ADD PRIMARY KEY (id), ADD INDEX i (x);", set()),
        ("ALTER TABLE users RENAME COLUMN a TO b;", {"b"}),
        ("ALTER TABLE users RENAME a TO b;", {"b"}),
        ("ALTER TABLE users CHANGE COLUMN a b int, CHANGE c d int;", {"b", "d"}),
        ("ALTER TABLE users DROP COLUMN a, ALTER COLUMN b SET NOT NULL;", set()),
    ],
)
def test_columns_are_added_when_a_table_is_altered(text: str, columns: set[str]) -> None:
    """Constraints and keys are no columns, and a new name counts as a new column."""
    assert columns_added(text) == {("users", column) for column in columns}
    assert tables_created(text) == set()


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ('insert into public."User" (id) values (1);', {"public.user"}),
        ("INSERT IGNORE INTO a VALUES (1);", {"a"}),
        ("INSERT OR REPLACE INTO a VALUES (1);", {"a"}),
        ("REPLACE INTO a VALUES (1); REPLACE b VALUES (1);", {"a", "b"}),
        ("INSERT INTO a SELECT * FROM b;", {"a"}),
        ("WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x;", {"a"}),
        ("UPDATE ONLY a SET x = 1; UPDATE b AS z SET x = 1; UPDATE c z SET x = 1;", {"a", "b", "c"}),
        ("DELETE FROM a WHERE x = 1;", {"a"}),
        ("TRUNCATE TABLE a, app.b CASCADE; TRUNCATE c;", {"a", "app.b", "c"}),
        ("COPY a FROM '/tmp/a.csv' CSV;", {"a"}),
        ("COPY a TO stdout;", set()),
        ("\\copy a FROM 'a.csv'\nINSERT INTO b VALUES (1);", {"a", "b"}),
        ("LOAD DATA LOCAL INFILE 'a.csv' INTO TABLE a;", {"a"}),
        ("SELECT * FROM a;", set()),
        ("CREATE TABLE a (id int);", set()),
    ],
)
def test_tables_are_written_when_rows_change(text: str, tables: set[str]) -> None:
    """Every statement that changes rows names its table; one that only reads does not count."""
    assert tables_written(text) == tables


@pytest.mark.parametrize(
    "text",
    [
        f"-- {GHOST}\n",
        f"/* {GHOST}\n {GHOST} */",
        f"# it's {GHOST}\n",
        f"SELECT '{GHOST} it''s';",
        f"SELECT E'it\\'s {GHOST}';",
        f"/* of MySQL: */ SELECT `a` FROM `b` WHERE c = 'it\\'s {GHOST}';",
        f"CREATE FUNCTION f() RETURNS void AS $$ BEGIN {GHOST} END $$ LANGUAGE plpgsql;",
        f"CREATE FUNCTION f() RETURNS void AS $body$ SELECT $$x$$; {GHOST} $body$ LANGUAGE sql;",
        f"DELIMITER //\nCREATE PROCEDURE p() BEGIN {GHOST} END//\nDELIMITER ;\n",
        f"CREATE TRIGGER t AFTER INSERT ON a BEGIN {GHOST} UPDATE ghost SET x = CASE WHEN 1 THEN 2 END; END;",
        f"CREATE DEFINER=`root`@`localhost` TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN {GHOST} {GHOST} END;",
        f"\\restrict it's\n\\echo {GHOST}\n",
    ],
)
def test_nothing_is_written_when_a_text_only_quotes_sql(text: str) -> None:
    """Comments, strings and bodies are stepped over, and what follows them is read."""
    assert tables_written(f"{text}\nINSERT INTO real VALUES (1);") == {"real"}


@pytest.mark.parametrize("copy", ["COPY public.a (x, y) FROM stdin;", "\\copy public.a (x, y) from stdin"])
def test_data_is_stepped_over_when_copy_reads_from_the_file(copy: str) -> None:
    """Rows of a dump hold quotes and SQL; reading goes on behind the line with the end mark."""
    text = f"{copy}\n1\tit's\n2\t{GHOST}\n{GHOST}\n\\.\n\nINSERT INTO b VALUES (1);"
    assert tables_written(text) == {"public.a", "b"}


def test_following_statements_count_when_a_table_is_called_event() -> None:
    """`event` and `begin` are names as well: no routine begins there."""
    text = "CREATE TABLE event (id int, begin date);\nCREATE TABLE after (id int);"
    assert tables_created(text) == {"event", "after"}


def test_following_statements_count_when_an_event_trigger_calls_begin() -> None:
    """PostgreSQL's event triggers have no body of their own."""
    text = "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION begin();\nCREATE TABLE after (id int);"
    assert tables_created(text) == {"after"}


@pytest.mark.parametrize(
    "command", ["\\set ON_ERROR_STOP on", ".echo on", ".mode csv", "USE shop", "use shop\r", "source other.sql"]
)
def test_following_statement_counts_when_a_command_of_a_client_has_no_semicolon(command: str) -> None:
    """Commands to psql, sqlite3 and mysql end where their lines do."""
    statements = list(read_statements((f"{command}\nCREATE TABLE a (id int);\n",)))
    assert [made for statement in statements for made in made_by(statement)] == [Made(table="a", line=2)]
    assert statements[0].text.strip() == command.strip()


def test_statement_goes_on_when_a_line_of_it_looks_like_a_command() -> None:
    """A name may begin on the next line, and columns are called `use` and `source`."""
    text = "INSERT INTO app\n.orders\nSELECT a\nsource x\nFROM b;\nDELETE FROM c;"
    assert tables_written(text) == {"app.orders", "c"}


def test_line_is_that_of_the_statement_when_blank_lines_and_comments_precede() -> None:
    """A message points at the word CREATE or ALTER."""
    text = "\n-- orders\n\nCREATE TABLE a (\n id int\n);\n\nALTER TABLE a\n ADD b int;\n"
    assert list(read_made(text)) == [Made(table="a", line=4), Made(table="a", column="b", line=8)]


@pytest.mark.parametrize("text", ["", ";;;", "'", "$$", "/*", "--", "COPY a FROM stdin", "`", "E'\\", "\0\0;\0"])
def test_reading_ends_when_the_text_is_cut_off(text: str) -> None:
    """What is open at the end is nothing to stumble over."""
    assert [made for statement in read_statements((text,)) for made in made_by(statement)] == []


def test_statements_are_the_same_when_the_text_comes_line_by_line() -> None:
    """Strings, comments, bodies and data may lie across the ends of chunks."""
    text = (
        "COPY a FROM stdin;\n1\n2\n\\.\nINSERT INTO b VALUES ('x\ny; DELETE FROM ghost');\n"
        "/* a\nb; DELETE FROM ghost; */ INSERT INTO c VALUES (1);\n$$\nDELETE FROM ghost;\n$$;\nDELETE FROM d;"
    )
    whole = list(read_statements((text,)))
    assert list(read_statements(text.splitlines(keepends=True))) == whole
    assert [statement.line for statement in whole] == [1, 5, 8, 9, 12]


def test_only_the_beginning_is_kept_when_a_statement_is_long() -> None:
    """A dump of a hundred thousand rows must not be held in memory."""
    rows = ",\n".join(f"({number}, 'it''s; $1 -- /* ')" for number in range(50_000))
    statements = list(read_statements((f"INSERT INTO a (x, y) VALUES {rows};\nINSERT INTO b VALUES (1);",)))
    assert [statement.line for statement in statements] == [1, 50_001]
    assert max(len(statement.text) for statement in statements) < 1000
