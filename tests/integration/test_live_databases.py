"""Real PostgreSQL and MariaDB as the schema gate reads them: what is found, what is refused, and every way to fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import pg8000.native
import pymysql
import pytest

from devenv.adapters.databases.failures import Limits
from devenv.adapters.databases.opening import open_database
from devenv.domain.findings import Severity
from devenv.schema.ir import Column, Enum, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook, LiveDatabase
from tests.support.databases import run_mariadb, run_postgres
from tests.support.ports import take_ports
from tests.support.wait import until

PASSWORD = "hu/sh:h@sh%"
SHORT = Limits(statement_s=0.3, lock_s=0.1)

POSTGRES_SHOP = """
CREATE SCHEMA archive;
CREATE TYPE status AS ENUM ('new', 'paid');
ALTER TYPE status ADD VALUE 'open' BEFORE 'paid';
CREATE TYPE archive.kind AS ENUM ('a');
CREATE DOMAIN email AS varchar(80) NOT NULL;
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email email, "Full Name" text,
    doubled int GENERATED ALWAYS AS (1 + 1) STORED
);
CREATE TABLE orders (
    id serial, region char(2), state status NOT NULL DEFAULT 'new', states status[], kind archive.kind,
    labels text[] NOT NULL, price numeric(12, 2), at timestamptz(3), gone int, customer bigint,
    PRIMARY KEY (region, id), UNIQUE (customer, at),
    CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id)
);
ALTER TABLE orders DROP COLUMN gone;
CREATE INDEX orders_at ON orders (at) INCLUDE (price) WHERE price > 0;
CREATE INDEX orders_lower ON orders (lower(region), at);
CREATE UNIQUE INDEX orders_price ON orders (price);
CREATE TABLE archive.lines (
    region char(2), "order" int, FOREIGN KEY (region, "order") REFERENCES orders (region, id) NOT VALID
);
CREATE TABLE events (day date NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE VIEW paid AS SELECT id FROM orders;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS number FROM orders;
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION citext;
CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE remote (id int) SERVER elsewhere;
CREATE SCHEMA other;
CREATE TABLE other.things (name public.citext, state public.status);
INSERT INTO orders (region, labels, price) VALUES ('de', '{}', 1), ('de', '{}', 2);
CREATE ROLE reader LOGIN PASSWORD 'reader';
GRANT SELECT ON customers TO reader;
CREATE ROLE stranger LOGIN PASSWORD 'stranger';
REVOKE ALL ON SCHEMA public FROM public;
GRANT USAGE ON SCHEMA public TO reader;
"""

MARIADB_SHOP = """
CREATE TABLE customers (
    id int unsigned AUTO_INCREMENT PRIMARY KEY, email varchar(80) NOT NULL, note text, name varchar(20) DEFAULT 'NULL',
    state enum('new', 'it''s', 'a,b', 'c\\\\d') NOT NULL DEFAULT 'new', flags set('a', 'b'),
    is_on tinyint(1) NOT NULL,
    doubled int AS (id * 2) VIRTUAL, at timestamp NOT NULL DEFAULT current_timestamp, made datetime(3)
);
CREATE UNIQUE INDEX customers_email ON customers (email(20), name);
CREATE TABLE orders (
    id bigint, customer int unsigned, region char(2), PRIMARY KEY (region, id),
    CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id)
);
CREATE VIEW mails AS SELECT email FROM customers;
CREATE SEQUENCE numbers;
"""


@contextmanager
def opened(url: str, limits: Limits = SHORT) -> Iterator[LiveDatabase]:
    """Open a database for a while."""
    database = open_database(url, folder="/", limits=limits)
    with closing(database):
        yield database


def refusal(url: str) -> CannotLook:
    """Return why a URL cannot be opened."""
    with pytest.raises(CannotLook) as caught:
        open_database(url, folder="/", limits=SHORT)
    assert PASSWORD not in caught.value.reason + caught.value.fix
    return caught.value


def failure(database: LiveDatabase, sql: str) -> CannotLook:
    """Return why a query fails."""
    with pytest.raises(CannotLook) as caught:
        database.query(sql)
    return caught.value


def table(schema: Schema, title: str) -> Table:
    """Return one table of a schema."""
    (found,) = [one for one in schema.tables if one.title == title]
    return found


def column(schema: Schema, title: str, name: str) -> Column:
    """Return one column of a table."""
    (found,) = [one for one in table(schema, title).columns if one.name == name]
    return found


@dataclass(kw_only=True)
class Way:
    """A way to a server that does as the test says once a word has passed: `cut` it, or let it `hang`."""

    port: int
    target: int
    word: bytes
    is_cut: bool
    _open: list[socket.socket] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Pass one connection on."""
        with suppress(OSError):
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", self.target))
            self._open += [near, far]
            back = threading.Thread(target=self._pass_on, args=(far, near))
            back.start()
            self._pass_on(near, far, self.word)
            if self.is_cut:
                self.close()
            back.join()

    def close(self) -> None:
        """Hang up on both sides."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket, word: bytes = b"") -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if word and word in data:
                    return
                sink.sendall(data)


@contextmanager
def way_to(target: int, *, word: bytes, is_cut: bool) -> Iterator[int]:
    """Give the port of a way to `target`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        way = Way(port=listener.getsockname()[1], target=target, word=word, is_cut=is_cut)
        thread = threading.Thread(target=way.serve, args=(listener,))
        thread.start()
        try:
            yield way.port
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            way.close()
            thread.join(timeout=5)


@contextmanager
def mute_server() -> Iterator[socket.socket]:
    """Give a server that accepts and says nothing: the backlog accepts by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """Run PostgreSQL with the shop's schema in the database `shop`, and nothing in `bare`."""
    with run_postgres(password=PASSWORD) as port:
        until(lambda: _is_up(port), deadline_s=10, what="PostgreSQL")
        with as_admin(port, "postgres") as admin:
            admin.run("CREATE DATABASE shop")
            admin.run("CREATE DATABASE bare")
        with as_admin(port, "shop") as admin:
            admin.run(POSTGRES_SHOP)
            for number in range(2):
                # Both have the same region: the index is left behind, and is not valid.
                with suppress(pg8000.native.DatabaseError):
                    admin.run(f"CREATE UNIQUE INDEX CONCURRENTLY orders_region_{number} ON orders (region)")
        yield port


def _is_up(port: int) -> bool:
    try:
        with as_admin(port, "postgres"):
            return True
    except pg8000.native.DatabaseError:
        return False


@contextmanager
def as_admin(port: int, name: str) -> Iterator[pg8000.native.Connection]:
    """Log in as the superuser."""
    with closing(
        pg8000.native.Connection("app", host="127.0.0.1", port=port, password=PASSWORD, database=name)
    ) as connection:
        yield connection


def postgres_url(port: int, name: str = "shop", login: str = f"app:{quote(PASSWORD, safe='')}") -> str:
    """Return a URL for the server on that port."""
    return f"postgresql+psycopg://{login}@127.0.0.1:{port}/{name}"


@pytest.fixture
def shop(postgres: int) -> Iterator[LiveDatabase]:
    """Open the shop on PostgreSQL."""
    with opened(postgres_url(postgres)) as database:
        yield database


@pytest.fixture(scope="module")
def schema(postgres: int) -> Schema:
    """Read the shop on PostgreSQL."""
    with opened(postgres_url(postgres)) as database:
        return database.introspect()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[int]:
    """Run MariaDB with the shop's schema."""
    with run_mariadb(password=PASSWORD) as port:
        with as_root(port) as root:
            for statement in MARIADB_SHOP.split(";\n"):
                root.query(statement) if statement.strip() else None
            for statement in (
                "CREATE DATABASE other",
                "CREATE TABLE other.things (id int PRIMARY KEY)",
                "ALTER TABLE orders ADD COLUMN thing int",
                "ALTER TABLE orders ADD CONSTRAINT far FOREIGN KEY (thing) REFERENCES other.things (id)",
                "CREATE USER reader@localhost IDENTIFIED BY 'reader'",
                "GRANT SELECT ON app.customers TO reader@localhost",
            ):
                root.query(statement)
        yield port


@contextmanager
def as_root(port: int) -> Iterator[pymysql.Connection[pymysql.cursors.Cursor]]:
    """Log in to MariaDB as its superuser."""
    with closing(pymysql.connect(host="127.0.0.1", port=port, user="root", database="app")) as connection:
        yield connection


def mariadb_url(port: int, name: str = "app", login: str = f"app:{quote(PASSWORD, safe='')}") -> str:
    """Return a URL for the server on that port."""
    return f"mysql+pymysql://{login}@127.0.0.1:{port}/{name}"


@pytest.fixture
def mariadb_shop(mariadb: int) -> Iterator[LiveDatabase]:
    """Open the shop on MariaDB."""
    with opened(mariadb_url(mariadb)) as database:
        yield database


def test_place_says_what_is_looked_at(shop: LiveDatabase, postgres: int) -> None:
    """Name, schema, address and version; a password with special characters opens it and is not shown."""
    assert shop.place == f"database shop, schema public at 127.0.0.1:{postgres} ({shop.version})"
    assert shop.version.startswith("PostgreSQL 1")
    assert shop.default_schema == "public"


def test_columns_of_postgresql_are_read(schema: Schema) -> None:
    """Types as the server writes them; dropped columns are gone, a domain is what is beneath it."""
    assert table(schema, "customers").columns == (
        Column(name="id", type="bigint", nullable=False, is_filled=True),
        Column(name="email", type="character varying(80)", nullable=False),
        Column(name="Full Name", type="text"),
        Column(name="doubled", type="integer", is_filled=True, is_generated=True),
    )
    assert table(schema, "orders").columns == (
        Column(name="id", type="integer", nullable=False, is_filled=True),
        Column(name="region", type="character(2)", nullable=False),
        Column(name="state", type="status", nullable=False, is_filled=True, enum="status"),
        Column(name="states", type="status[]", is_array=True, enum="status"),
        Column(name="kind", type="archive.kind", enum="archive.kind"),
        Column(name="labels", type="text[]", nullable=False, is_array=True),
        Column(name="price", type="numeric(12,2)"),
        Column(name="at", type="timestamp(3) with time zone"),
        Column(name="customer", type="bigint"),
    )


def test_keys_and_indexes_of_postgresql_are_read(schema: Schema) -> None:
    """Keys in their own order; an index of a key is no index beside it."""
    orders = table(schema, "orders")

    assert orders.primary_key == ("region", "id")
    assert orders.uniques == (("customer", "at"),)
    assert orders.foreign_keys == (
        ForeignKey(name="orders_customer", columns=("customer",), table="customers", targets=("id",)),
    )
    assert orders.indexes == (
        Index(name="orders_at", columns=("at",), partial=True),
        Index(name="orders_lower", columns=("", "at")),
        Index(name="orders_price", columns=("price",), unique=True),
        Index(name="orders_region_0", columns=("region",), unique=True, valid=False),
        Index(name="orders_region_1", columns=("region",), unique=True, valid=False),
    )
    assert table(schema, "archive.lines").foreign_keys[0].targets == ("region", "id")


def test_enums_of_postgresql_have_their_values_in_order(schema: Schema) -> None:
    """A value that was put between two others stands there."""
    assert schema.enums == (
        Enum(name="kind", schema="archive", values=("a",)),
        Enum(name="status", values=("new", "open", "paid")),
    )


def test_all_kinds_of_tables_of_postgresql_are_read(schema: Schema) -> None:
    """Views are told from tables, and what something else has made is told by whom."""
    kinds = {one.title: (one.is_view, one.owner) for one in schema.tables}

    assert kinds == {
        "archive.lines": (False, ""),
        "customers": (False, ""),
        "events": (False, ""),
        "events_1": (False, "partition of events"),
        "orders": (False, ""),
        "other.things": (False, ""),
        "paid": (True, ""),
        "pg_stat_statements": (True, "pg_stat_statements"),
        "pg_stat_statements_info": (True, "pg_stat_statements"),
        "remote": (False, ""),
        "totals": (True, ""),
    }
    assert schema.extensions == ("citext", "pg_stat_statements", "plpgsql", "postgres_fdw")


@pytest.mark.parametrize("option", ["schema=other", "options=-c%20search_path%3Dother"])
def test_default_schema_is_another_when_the_url_says_so(postgres: int, option: str) -> None:
    """Prisma's way to say it, and libpq's."""
    with opened(f"{postgres_url(postgres)}?{option}") as database:
        schema = database.introspect()
        rows = database.query("SELECT count(*) FROM things")

    assert database.place.startswith("database shop, schema other at ")
    assert column(schema, "things", "state").enum == "public.status"
    assert table(schema, "public.customers").primary_key == ("id",)
    assert rows == [(0,)]


def test_schema_is_empty_when_the_database_is(postgres: int) -> None:
    """Migrations have not run yet: nothing is there, and that is an answer."""
    with opened(postgres_url(postgres, "bare")) as database:
        schema = database.introspect()

    assert (schema.tables, schema.enums, schema.default_schema) == ((), (), "public")


def test_tables_are_found_when_they_may_be_read(shop: LiveDatabase, postgres: int) -> None:
    """By the name that the database has for them, and only with the right to read them."""
    with opened(postgres_url(postgres, login="reader:reader")) as reader:
        readable = [reader.has_table(*name) for name in (("customers",), ("orders",), ("lines", "archive"))]

    assert readable == [True, False, False]
    assert [shop.has_table(name) for name in ("orders", "Orders", 'o"r', "paid")] == [True, False, False, True]
    assert shop.has_table("lines", "archive")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "CREATE TABLE made (id int)",
        "SELECT nextval('orders_id_seq')",
        "COMMIT; DROP TABLE orders",
        "SELECT 1; DELETE FROM orders",
        "TRUNCATE orders",
    ],
)
def test_postgresql_refuses_when_a_query_would_write(shop: LiveDatabase, sql: str) -> None:
    """By the server itself, and the session goes on."""
    assert failure(shop, sql).code == "failed"

    assert shop.query("SELECT count(*) FROM orders") == [(2,)]


def test_postgresql_refuses_to_write_when_the_transaction_was_ended(shop: LiveDatabase) -> None:
    """The next query has one of its own."""
    shop.query("COMMIT")

    assert "read-only transaction" in failure(shop, "DELETE FROM orders").reason


def test_nothing_is_locked_when_a_query_is_over(shop: LiveDatabase, postgres: int) -> None:
    """A migration can start while the gate still looks."""
    shop.introspect()
    shop.query("SELECT * FROM orders")

    with as_admin(postgres, "shop") as admin:
        assert admin.run("SELECT count(*) FROM pg_locks WHERE relation = 'orders'::regclass") == [[0]]


def test_limit_is_said_when_a_statement_is_too_slow(shop: LiveDatabase) -> None:
    """The server ends it, and the session goes on."""
    found = failure(shop, "SELECT pg_sleep(5)")

    assert (found.code, found.severity) == ("timeout", Severity.UNKNOWN)
    assert "statement timeout" in found.reason
    assert shop.query("SELECT 1") == [(1,)]


def test_limit_is_said_when_a_lock_is_held(shop: LiveDatabase, postgres: int) -> None:
    """By a migration that is under way."""
    with as_admin(postgres, "shop") as admin:
        admin.run("BEGIN")
        admin.run("LOCK TABLE orders")
        found = failure(shop, "SELECT * FROM orders")

    assert (found.code, found.severity) == ("timeout", Severity.UNKNOWN)
    assert "lock timeout" in found.reason


@pytest.mark.parametrize("login", ["app:wrong", "nobody:x", "app"])
def test_login_is_refused_when_postgresql_does_not_know_it(postgres: int, login: str) -> None:
    """The application would not get in either."""
    found = refusal(postgres_url(postgres, login=login))

    assert (found.code, found.severity) == ("refused", Severity.ERROR)
    assert found.reason.startswith(f"database shop at 127.0.0.1:{postgres} refuses user {login.partition(':')[0]}: ")
    assert "wrong" not in found.reason


def test_login_is_refused_when_the_user_may_not_connect(postgres: int) -> None:
    """A right that the database itself withholds."""
    with as_admin(postgres, "postgres") as admin:
        admin.run("CREATE DATABASE closed")
        admin.run("REVOKE CONNECT ON DATABASE closed FROM public")

    found = refusal(postgres_url(postgres, "closed", "reader:reader"))

    assert (found.code, found.severity) == ("refused", Severity.ERROR)
    assert "permission denied for database" in found.reason


def test_database_is_missing_when_postgresql_has_none_of_its_name(postgres: int) -> None:
    """With the command that makes it."""
    found = refusal(postgres_url(postgres, "none"))

    assert (found.code, found.severity) == ("no-database", Severity.ERROR)
    assert found.fix == f"createdb -h 127.0.0.1 -p {postgres} -U app none"


def test_schema_is_missing_when_the_user_may_use_none(postgres: int) -> None:
    """Without one, no name of the application means anything."""
    found = refusal(postgres_url(postgres, login="stranger:stranger"))

    assert (found.code, found.severity) == ("no-schema", Severity.ERROR)
    assert 'search_path "$user", public' in found.reason


def test_permission_is_said_when_a_table_may_not_be_read(postgres: int) -> None:
    """The gate cannot look, which is neither well nor broken."""
    with opened(postgres_url(postgres, login="reader:reader")) as database:
        found = failure(database, "SELECT * FROM orders")

    assert (found.code, found.severity) == ("no-permission", Severity.UNKNOWN)
    assert "permission denied for table orders" in found.reason
    assert found.fix.endswith('GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "reader"')


def test_permission_is_said_when_the_catalogue_may_not_be_read(postgres: int) -> None:
    """Some hosted databases close it."""
    with as_admin(postgres, "postgres") as admin:
        admin.run("CREATE DATABASE hidden")
    with as_admin(postgres, "hidden") as admin:
        admin.run("REVOKE SELECT ON pg_catalog.pg_constraint FROM public")
    with opened(postgres_url(postgres, "hidden", "reader:reader")) as database, pytest.raises(CannotLook) as caught:
        database.introspect()

    assert (caught.value.code, caught.value.severity) == ("no-permission", Severity.UNKNOWN)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_database_is_unreachable_when_nothing_listens(scheme: str) -> None:
    """With host and port."""
    (port,) = take_ports(1)

    found = refusal(f"{scheme}://app:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/shop")

    assert (found.code, found.severity) == ("unreachable", Severity.ERROR)
    assert found.reason == f"database shop at 127.0.0.1:{port} cannot be reached: connection refused"


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_server_is_silent_when_it_accepts_and_says_nothing(scheme: str) -> None:
    """A deadline ends it."""
    with mute_server() as server:
        port = server.getsockname()[1]
        found = refusal(f"{scheme}://app:x@127.0.0.1:{port}/shop")

    assert (found.code, found.severity) == ("silent", Severity.ERROR)
    assert found.reason == f"database shop at 127.0.0.1:{port} hangs: no answer within 0.36 s"


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_connection_is_closed_when_the_login_fails(scheme: str) -> None:
    """However long somebody holds on to the failure."""
    with mute_server() as server:
        found = refusal(f"{scheme}://app:x@127.0.0.1:{server.getsockname()[1]}/shop")
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            while connection.recv(1024):
                continue  # what was said before it was closed

    assert found.code == "silent"


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
@pytest.mark.parametrize(("is_cut", "code"), [(True, "dropped"), (False, "silent")])
def test_query_is_unknown_when_the_way_breaks_beneath_it(
    kind: str, is_cut: bool, code: str, request: pytest.FixtureRequest
) -> None:
    """Cut, or hung: found while introspecting, and closing afterwards is no error."""
    target = request.getfixturevalue(kind)
    word = b"pg_extension" if kind == "postgres" else b"key_column_usage"
    with way_to(target, word=word, is_cut=is_cut) as port:
        url = postgres_url(port) if kind == "postgres" else mariadb_url(port)
        with opened(url) as database, pytest.raises(CannotLook) as caught:
            database.introspect()
        database.close()

    assert (caught.value.code, caught.value.severity) == (code, Severity.UNKNOWN)
    assert f"127.0.0.1:{port}" in caught.value.reason


def test_connection_is_dropped_when_postgresql_ends_it(shop: LiveDatabase) -> None:
    """A restart, or an administrator; what follows fails in the same way."""
    assert failure(shop, "SELECT pg_terminate_backend(pg_backend_pid())").code == "dropped"
    assert failure(shop, "SELECT 1").code == "dropped"


def test_place_of_mariadb_says_what_is_looked_at(mariadb_shop: LiveDatabase, mariadb: int) -> None:
    """MariaDB is not called MySQL."""
    assert mariadb_shop.place == f"database app at 127.0.0.1:{mariadb} ({mariadb_shop.version})"
    assert mariadb_shop.version.startswith("MariaDB 1")
    assert mariadb_shop.default_schema == "app"


def test_tables_of_mariadb_are_read(mariadb_shop: LiveDatabase) -> None:
    """Types as the server writes them, and values of enums beside the column."""
    schema = mariadb_shop.introspect()

    assert [one.title for one in schema.tables] == ["customers", "mails", "orders"]
    customers = table(schema, "customers")
    assert customers.columns == (
        Column(name="id", type="int(10) unsigned", nullable=False, is_filled=True),
        Column(name="email", type="varchar(80)", nullable=False),
        Column(name="note", type="text"),
        Column(name="name", type="varchar(20)", is_filled=True),
        Column(
            name="state", type="enum('new','it''s','a,b','c\\\\d')", nullable=False, is_filled=True,
            values=("new", "it's", "a,b", "c\\d"),
        ),
        Column(name="flags", type="set('a','b')"),
        Column(name="is_on", type="tinyint(1)", nullable=False),
        Column(name="doubled", type="int(11)", is_filled=True, is_generated=True),
        Column(name="at", type="timestamp", nullable=False, is_filled=True),
        Column(name="made", type="datetime(3)"),
    )  # fmt: skip
    assert customers.primary_key == ("id",)
    assert customers.indexes == (Index(name="customers_email", columns=("email", "name"), unique=True),)
    assert table(schema, "mails").is_view


def test_keys_of_mariadb_are_read(mariadb_shop: LiveDatabase) -> None:
    """In their own order, and with the other database that one refers to."""
    orders = table(mariadb_shop.introspect(), "orders")

    assert orders.primary_key == ("region", "id")
    assert orders.foreign_keys == (
        ForeignKey(name="far", columns=("thing",), schema="other", table="things", targets=("id",)),
        ForeignKey(name="orders_customer", columns=("customer",), table="customers", targets=("id",)),
    )


@pytest.mark.parametrize(
    "sql", ["INSERT INTO orders (id, region) VALUES (1, 'de')", "CREATE TABLE made (id int)", "DROP TABLE orders"]
)
def test_mariadb_refuses_when_a_query_would_write(mariadb_shop: LiveDatabase, sql: str) -> None:
    """By the server itself, and the session goes on."""
    assert "READ ONLY" in failure(mariadb_shop, sql).reason

    assert mariadb_shop.query("SELECT count(*) FROM orders") == [(0,)]


def test_mariadb_refuses_when_a_query_has_two_statements(mariadb_shop: LiveDatabase) -> None:
    """The second could be anything."""
    assert failure(mariadb_shop, "COMMIT; DROP TABLE orders").code == "failed"


@pytest.mark.parametrize("name", ["orders", "or`ders", "mails"])
def test_tables_of_mariadb_are_found_when_they_may_be_read(mariadb_shop: LiveDatabase, mariadb: int, name: str) -> None:
    """A user without a right to a table does not see it."""
    with opened(mariadb_url(mariadb, login="reader:reader")) as reader:
        assert reader.has_table("customers")
        assert not reader.has_table(name)

    assert mariadb_shop.has_table(name) is (name != "or`ders")


def test_limit_is_said_when_mariadb_is_too_slow(mariadb_shop: LiveDatabase) -> None:
    """The server ends it, and the session goes on."""
    assert failure(mariadb_shop, "SELECT sleep(5)").code == "timeout"
    assert mariadb_shop.query("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("login", "name", "code"),
    [("app:wrong", "app", "refused"), ("reader:reader", "other", "refused"), ("root", "none", "no-database")],
)
def test_login_is_refused_when_mariadb_does_not_allow_it(mariadb: int, login: str, name: str, code: str) -> None:
    """The application would not get in either."""
    found = refusal(mariadb_url(mariadb, name, login))

    assert (found.code, found.severity) == (code, Severity.ERROR)
    assert found.reason.startswith(f"database {name} at 127.0.0.1:{mariadb} ")


def test_permission_is_said_when_mariadb_hides_a_table(mariadb: int) -> None:
    """The gate cannot look, which is neither well nor broken."""
    with opened(mariadb_url(mariadb, login="reader:reader")) as database:
        found = failure(database, "SELECT * FROM orders")

    assert (found.code, found.severity) == ("no-permission", Severity.UNKNOWN)


def test_connection_is_dropped_when_mariadb_kills_it(mariadb_shop: LiveDatabase) -> None:
    """What follows fails in the same way."""
    assert failure(mariadb_shop, "KILL CONNECTION_ID()").code == "dropped"
    assert failure(mariadb_shop, "SELECT 1").code == "dropped"
