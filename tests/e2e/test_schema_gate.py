"""A database that is not what the code expects: each incident is told before "ready", with what mends it.

A real Alembic project (`shop/`) on a real PostgreSQL; each test has its own copy of both.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest
import yaml

from tests.support.daemon import Devenv, Done
from tests.support.databases import run_postgres
from tests.support.wait import until

SHOP = Path(__file__).with_name("shop")
PASSWORD = "k3pt-secret"
REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]
NICKNAME = ('    email: Mapped[str] = mapped_column(String(200))\n',
            '    email: Mapped[str] = mapped_column(String(200))\n    nickname: Mapped[str | None]\n')  # fmt: skip
ADD_NICKNAME = '''
"""add nicknames"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("nickname", sa.String))
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A PostgreSQL with a database for each revision, made by Alembic: `at_0001`, `at_0002`, `at_0003`."""

    port: int

    def url(self, database: str, scheme: str = "postgresql") -> str:
        """Return where a database is, password included."""
        return f"{scheme}://app:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def is_up(self) -> bool:
        """Tell whether it lets us in."""
        try:
            self.run("postgres")
        except psycopg.OperationalError:
            return False
        return True

    def run(self, database: str, *statements: str) -> None:
        """Run statements, each for itself."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """A checkout of the shop as the service `api` of a stack, on the database `name`."""

    project: Devenv
    server: Server
    name: str

    @property
    def api(self) -> Path:
        """Return the service's folder."""
        return self.project.folder / "api"

    def up(self, expect: int = 6) -> str:
        """Run `up`, hold it to an exit status, and return what it said, as one line."""
        done = self.project.up(expect=expect)
        assert PASSWORD not in done.text
        return flatten(done.text)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file of the checkout."""
        path = self.api / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def run_sql(self, *statements: str) -> None:
        """Change the database behind the migrations' back."""
        self.server.run(self.name, *statements)

    def type_fix(self, said: str) -> None:
        """Do what the first `fix:` says, in the service's folder, as a person would."""
        found = re.search(r"fix: (.*)", said)
        assert found is not None, said
        words = found[1].strip()
        environment = self.project.environment({"DATABASE_URL": self.server.url(self.name, "postgresql+psycopg")})
        command = f"{sys.executable} -m {words}" if words.startswith("devenv ") else words
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=self.api, env=environment, capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}\n{done.stderr}\n{done.stdout}"


MakeShop = Callable[..., Shop]


def flatten(text: str) -> str:
    """Return a text without its line breaks: where a sentence is wrapped is no promise."""
    return " ".join(text.split())


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server for all tests, and let Alembic itself make the databases that they copy."""
    checkout = tmp_path_factory.mktemp("shop") / "api"
    shutil.copytree(SHOP, checkout)
    with run_postgres(password=PASSWORD) as port:
        server = Server(port=port)
        # it listens before it lets anybody in
        until(server.is_up, deadline_s=10, what="a login to PostgreSQL")
        server.run("postgres", "CREATE DATABASE blank", "CREATE DATABASE made")
        for revision in REVISIONS:
            subprocess.run(
                [sys.executable, "-m", "alembic", "upgrade", revision], cwd=checkout, check=True, capture_output=True,
                env={**os.environ, "DATABASE_URL": server.url("made", "postgresql+psycopg")}, timeout=30,
            )  # fmt: skip
            server.run("postgres", f"CREATE DATABASE at_{revision} TEMPLATE made")
        yield server


@pytest.fixture
def make_shop(project: Devenv, postgres: Server, server: str) -> MakeShop:
    """Return a function that gives a checkout on a copy of `database`, with `schema` and `more` services."""

    def make(database: str = f"at_{HEAD}", *, schema: object = True, **more: dict[str, object]) -> Shop:
        name = f"shop_{project.name}"
        postgres.run("postgres", f"CREATE DATABASE {name} TEMPLATE {database}")
        shutil.copytree(SHOP, project.folder / "api", ignore=shutil.ignore_patterns("__pycache__"))
        code = {"working_dir": "api", "environment": {"DATABASE_URL": postgres.url(name, "postgresql+psycopg")}}
        services: dict[str, object] = {
            "db": {"external": f"postgresql://127.0.0.1:{postgres.port}/{name}", "ready": {"sql": postgres.url(name)}},
            "api": {"command": f"{server} 0", "depends_on": ["db"], "schema": schema, **code},
            **{name: {"depends_on": ["db"], **code, **service} for name, service in more.items()},
        }
        project.write(yaml.safe_dump({"name": project.name, "services": services}))
        return Shop(project=project, server=postgres, name=name)

    return make


def test_service_is_ready_when_the_database_is_what_the_code_expects(make_shop: MakeShop) -> None:
    """No false alarm: the gate is silent, and `check` says what it looked at."""
    shop = make_shop()
    said = shop.up(expect=0)
    assert "warning" not in said
    assert shop.project.states()["api"] == "ready"
    done = shop.project.run("check", "api")
    assert (done.status, "api: ok" in done.out) == (0, True), str(done)
    assert f"127.0.0.1:{shop.server.port}" in done.out
    assert shop.name in done.out


def test_missing_column_is_told_with_the_migration_that_adds_it(make_shop: MakeShop) -> None:
    """Table, column, model, pending migration, database; the database's service stays ready for the fix."""
    shop = make_shop("at_0002")
    said = shop.up()
    for words in ("users", "tenant_id", "0003", "pending", "app/models.py", shop.name, "fix: "):
        assert words in said
    states = shop.project.states()
    assert states["db"] == "ready"
    assert states["api"] != "ready"


def test_old_backup_is_one_error_with_its_count(make_shop: MakeShop) -> None:
    """Two migrations behind, two tables and a column missing: one cause, its tables by name."""
    shop = make_shop("at_0001")
    done = shop.project.up(expect=6)
    said = flatten(done.text)
    assert done.text.count("error:") == 1, str(done)
    assert "2 Alembic migrations behind" in said
    for words in ("2 tables are missing", "orders", "items", "0002", "0001"):
        assert words in said


def test_backup_newer_than_the_code_is_told(make_shop: MakeShop) -> None:
    """The database has a migration that this checkout lacks: pull, rather than migrate."""
    shop = make_shop()
    (shop.api / "migrations/versions/0003_add_tenants.py").unlink()
    shop.edit("app/models.py", "    tenant_id: Mapped[str | None] = mapped_column(String(36))\n", "")
    said = shop.up()
    assert "1 Alembic migration that this checkout does not have" in said
    assert HEAD in said
    assert "fix: git pull" in said


def test_partial_restore_is_told_when_the_records_are_clean(make_shop: MakeShop) -> None:
    """Every migration is recorded, and a table is not there: Alembic itself sees nothing wrong."""
    shop = make_shop()
    shop.run_sql("DROP TABLE items")
    said = shop.up()
    for words in ("0002", "recorded as applied", "items", "restore was incomplete"):
        assert words in said


def test_moved_alembic_ini_is_found_elsewhere_in_the_repository(make_shop: MakeShop) -> None:
    """Where the service looks there is none: its new place is named."""
    shop = make_shop(schema={"models": "app.models:Base", "migrations": "alembic"})
    (shop.project.folder / "db").mkdir()
    (shop.api / "alembic.ini").rename(shop.project.folder / "db" / "alembic.ini")
    (shop.api / "migrations").rename(shop.project.folder / "db" / "migrations")
    said = shop.up()
    assert "alembic.ini" in said
    assert "db/alembic.ini" in said


def test_two_heads_are_told_with_the_command_that_joins_them(make_shop: MakeShop) -> None:
    """`alembic upgrade head` would fail: both heads by name, before anybody runs it."""
    shop = make_shop()
    text = ADD_NICKNAME.replace("0003", "0002").replace("0004", "0003b")
    (shop.api / "migrations/versions/0003b_fork.py").write_text(text)
    said = shop.up()
    for words in ("2 heads", "0003", "0003b", "alembic merge heads"):
        assert words in said


def test_tables_in_another_schema_are_found_there(make_shop: MakeShop) -> None:
    """The URL lacks the schema: 0 of 3 tables here, and where they are."""
    shop = make_shop()
    # not "app": a schema with the user's own name is on PostgreSQL's search path
    moved = (f"ALTER TABLE {name} SET SCHEMA ledger" for name in ("items", "orders", "users"))
    shop.run_sql("CREATE SCHEMA ledger", *moved)
    said = shop.up()
    assert "0 of 3 tables" in said
    assert "in schema ledger" in said
    assert shop.name in said


def test_database_of_another_program_is_told_as_such(make_shop: MakeShop) -> None:
    """A wrong URL: none of ours is there, much of somebody else's is."""
    shop = make_shop("blank")
    shop.run_sql("CREATE TABLE invoices (id int)", "CREATE TABLE payments (id int)")
    said = shop.up()
    assert "0 of 3 tables" in said
    assert "invoices" in said


def test_model_that_changed_without_a_migration_is_told(make_shop: MakeShop) -> None:
    """The records are clean: what is lacking is the migration, and the command that writes it."""
    shop = make_shop()
    shop.edit("app/models.py", *NICKNAME)
    said = shop.up()
    for words in ("users", "nickname", "no migration", "alembic revision --autogenerate"):
        assert words in said


def test_enum_value_that_the_database_lacks_is_told(make_shop: MakeShop) -> None:
    """Alembic's own comparison does not see it; the first write would fail."""
    shop = make_shop()
    shop.edit("app/models.py", '    PAID = "PAID"\n', '    PAID = "PAID"\n    ARCHIVED = "ARCHIVED"\n')
    said = shop.up()
    assert "order_status" in said
    assert "ARCHIVED" in said


def test_import_is_not_started_when_its_tables_do_not_exist(make_shop: MakeShop) -> None:
    """It says which file and which tables; nothing was run."""
    seed = {"task": "touch ../imported", "import": ["api/seed.sql"]}
    shop = make_shop("blank", schema={"on_drift": "warn"}, seed=seed)
    said = shop.up()
    for words in ("seed.sql", "orders", "items"):
        assert words in said
    assert not (shop.project.folder / "imported").exists()


def test_import_waits_for_its_tables_without_being_told_to(make_shop: MakeShop) -> None:
    """The migrations come first although nothing in the file says so."""
    seed = {"task": f"{sys.executable} load.py seed.sql", "import": ["api/seed.sql"]}
    migrate = {"task": f"{sys.executable} -m alembic upgrade head"}
    shop = make_shop("blank", schema={"on_drift": "warn"}, seed=seed, migrate=migrate)
    shop.up(expect=0)
    states = shop.project.states()
    assert (states["seed"], states["migrate"]) == ("completed", "completed")
    with psycopg.connect(shop.server.url(shop.name)) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (1,)


NOISE = """
import json, os, sys
print(json.dumps({"v": 1, "ok": True, "tables": []}))
os.write(1, b'{"v": 1, "ok": true, "tables": []}' + bytes(range(256)))
sys.stderr.write("x" * 100_000)
"""


def test_output_of_the_models_changes_nothing(make_shop: MakeShop) -> None:
    """They print what looks like an answer, and much else: the column is still found."""
    shop = make_shop("at_0002")
    shop.edit("app/models.py", "import enum\n", f"import enum\n{NOISE}")
    said = shop.up()
    assert "tenant_id" in said
    assert "xxxx" not in said


@pytest.mark.parametrize("line", ["raise SystemExit(0)", "raise RuntimeError('not today')", "import os; os._exit(0)"])
def test_models_that_cannot_be_read_are_never_ok(make_shop: MakeShop, line: str) -> None:
    """It could not be checked: said as such, no reason to fail by default, and one with `--strict`."""
    shop = make_shop()
    shop.edit("app/models.py", "import enum\n", f"import enum\n\n{line}\n")
    said = shop.up(expect=0)
    assert "not checked" in said
    done = shop.project.run("check", "api")
    assert done.status == 0, str(done)
    assert "not checked" in done.out
    assert "api: ok" not in done.out
    assert shop.project.run("check", "api", "--strict").status == 6


def test_story_of_the_readme(make_shop: MakeShop) -> None:
    """A model gets a column: `up` names table, column and command; the command is typed; `up` is ready."""
    shop = make_shop(schema={"migrate": "alembic upgrade head"})
    shop.up(expect=0)
    before = shop.project.identities()["db"]
    shop.edit("app/models.py", *NICKNAME)
    (shop.api / "migrations/versions/0004_add_nicknames.py").write_text(ADD_NICKNAME)
    done = shop.project.up(expect=6)
    said = flatten(done.text)
    for words in ("users", "nickname", "0004", "alembic upgrade head"):
        assert words in said, str(done)
    assert shop.project.states()["db"] == "ready"
    assert shop.project.identities()["db"] == before
    shop.type_fix(done.text)
    shop.up(expect=0)
    assert shop.project.states()["api"] == "ready"


def test_check_tells_people_programs_and_ci_the_same(make_shop: MakeShop, tmp_path: Path) -> None:
    """The table, the document, the report and the annotation, each with status 6."""
    shop = make_shop("at_0002")
    seen = shop.project.run("check")
    asked = shop.project.run("check", "--json")
    reported = _check_in_actions(shop, tmp_path / "report.xml")
    assert [done.status for done in (seen, asked, reported)] == [6, 6, 6], f"{seen}\n{asked}\n{reported}"
    assert "tenant_id" in seen.out
    document = asked.json()
    assert document["status"] == 6
    (api,) = [one for one in document["services"] if one["service"] == "api"]
    assert api["findings"][0]["severity"] == "error"
    assert shop.name in api["database"]
    failure = ElementTree.parse(tmp_path / "report.xml").find(".//testsuite[@name='api']/testcase/failure")
    assert failure is not None
    assert "tenant_id" in (failure.get("message") or "")
    assert re.search(r"^::error file=api/app/models\.py,line=\d+,title=.*tenant_id", reported.text, re.MULTILINE)
    assert PASSWORD not in seen.text + asked.text + reported.text + (tmp_path / "report.xml").read_text()


def test_check_looks_at_another_database_when_its_login_may_only_read(make_shop: MakeShop) -> None:
    """Staging by its URL: another verdict than our own database's, without a right to change anything there."""
    shop = make_shop()
    shop.run_sql(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data")
    assert shop.project.run("check", "api").status == 0
    staging = shop.server.url("at_0001").replace("//app:", "//reader:")
    done = shop.project.run("check", "api", "--database", staging)
    assert done.status == 6, str(done)
    for words in ("at_0001", "orders", "2 Alembic migrations behind"):
        assert words in flatten(done.out)
    assert "not checked" not in done.out


def test_schema_diff_lists_every_difference(make_shop: MakeShop) -> None:
    """What `up` counts is here by name, for people and as a document."""
    shop = make_shop("at_0001")
    done = shop.project.run("schema", "diff", "api")
    for row in (r"^- orders\b", r"^- items\b", r"^- users\.tenant_id\b"):
        assert re.search(row, done.out, re.MULTILINE), str(done)
    document = json.loads(shop.project.run("schema", "diff", "api", "--json").out)
    ids = {one["id"] for service in document["services"] for one in service["differences"]}
    assert {"table-missing:orders", "table-missing:items", "column-missing:users.tenant_id"} <= ids


def _check_in_actions(shop: Shop, report: Path) -> Done:
    actions = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(shop.project.folder), "CI": "true"}
    return shop.project.run("check", "--junit", str(report), env=actions)
