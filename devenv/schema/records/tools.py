"""The migration tools, one row each: what their files and their record look like, and the commands that they have.

To add a tool, add a row. Must not know how a record is held against files. Invariant: a record that several tools share
by name (`schema_migrations`) is told apart by its columns, and where those are equal by the files.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from devenv.schema.records import rows
from devenv.schema.records.alembic import read_revisions
from devenv.schema.records.django import read_apps
from devenv.schema.records.files import FileSet, Naming, read_journal, read_named_files
from devenv.schema.records.state import ToolPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table that is a tool's record: it has all of `columns` and none of `lacks`. `schema` '' is the default one."""

    name: str
    read: rows.ReadRows
    columns: frozenset[str]
    lacks: frozenset[str] = frozenset()
    schema: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A row. `naming` says what its files are called, or `read` reads them in a way of its own.

    In `apply` and `make`, `{place}` becomes `option` with the folder (or, with `is_by_config`, the configuration), and
    nothing where that is one of `usual`. `sums` gives the checksums of a file's bytes. `mark` is a text that its files
    have, `companions` files that stand beside them in the service's folder.
    """

    key: str
    title: str
    shapes: tuple[Shape, ...]
    naming: Naming | None = None
    read: Callable[[ToolPlace], FileSet] | None = None
    apply: str
    make: str = ""
    option: str = ""
    usual: tuple[str, ...] = ()
    is_by_config: bool = False
    sums: Callable[[bytes], str] | None = None
    mark: re.Pattern[str] | None = None
    companions: tuple[str, ...] = ()

    def read_files(self, place: ToolPlace) -> FileSet:
        """Read the migrations of a place. Raises CannotLook."""
        if self.read is not None:
            return self.read(place)
        assert self.naming is not None
        return read_named_files(place, self.naming, self.title)

    def command(self, template: str, place: ToolPlace) -> str:
        """Return a command for this place."""
        named = place.config if self.is_by_config else place.folder
        shown = place.show(named)
        is_usual = not named or shown in self.usual
        return template.format(place="" if is_usual else f" {self.option} {shown}")


def sum_lines(content: bytes) -> str:
    """Return Flyway's checksum: the CRC-32 of the lines without their ends, as a signed number."""
    text = content.decode("utf-8", errors="replace").removeprefix("\ufeff")
    joined = "".join(re.split(r"\r\n|\r|\n", text))
    checksum = zlib.crc32(joined.encode())
    return str(checksum - (1 << 32) if checksum >= 1 << 31 else checksum)


def _sum_sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sum_sha384(content: bytes) -> str:
    return hashlib.sha384(content).hexdigest()


def _spell_number(id_: str) -> str:
    return str(int(id_))


def _spell_dotted(id_: str) -> str:
    return id_.replace("_", ".")


def _read_sequel_names(table: rows.RecordTable) -> rows.Record:
    names = (str(row[0]) for row in table.rows("filename", order="filename"))
    return rows.Record(applied=tuple(re.sub(r"^0*(\d+)_.*", r"\1", name) for name in names))


_VERSION = frozenset({"version"})
_RUBY = re.compile(r"(?P<id>\d+)_(?P<title>\w+)\.rb")
_JAVASCRIPT = ("js", "cjs", "mjs", "ts", "cts", "mts")
_SCRIPT = re.compile(rf"(?P<id>[^/]+(?<!\.d)\.(?:{'|'.join(_JAVASCRIPT)}))")
_SQL_DOWN = re.compile(r"^--\s*(?:migrate:down|\+goose\s+Down|\+migrate\s+Down)", re.IGNORECASE | re.MULTILINE)

_ROWS = (
    Tool(
        key="alembic",
        title="Alembic",
        shapes=(Shape(name="alembic_version", columns=frozenset({"version_num"}), read=rows.read_ids("version_num")),),
        read=read_revisions,
        apply="alembic{place} upgrade head",
        make='alembic{place} revision --autogenerate -m "describe it"',
        option="-c",
        usual=("alembic.ini", "pyproject.toml"),
        is_by_config=True,
    ),
    Tool(
        key="prisma",
        title="Prisma",
        shapes=(
            Shape(
                name="_prisma_migrations",
                columns=frozenset({"migration_name", "checksum", "finished_at", "rolled_back_at"}),
                read=rows.read_prisma,
            ),
        ),
        naming=Naming(pattern=re.compile(r"(?P<id>[^/]+)/migration\.sql"), glob="*/migration.sql"),
        apply="npx prisma migrate deploy{place}",
        make="npx prisma migrate dev{place}",
        option="--schema",
        usual=("prisma/schema.prisma", "schema.prisma", "prisma/schema", "prisma"),
        is_by_config=True,
        sums=_sum_sha256,
    ),
    Tool(
        key="django",
        title="Django",
        shapes=(Shape(name="django_migrations", columns=frozenset({"app", "name"}), read=rows.read_django),),
        read=read_apps,
        apply="python manage.py migrate",
        make="python manage.py makemigrations",
    ),
    Tool(
        key="dbmate",
        title="dbmate",
        shapes=(
            Shape(
                name="schema_migrations",
                columns=_VERSION,
                lacks=frozenset({"dirty", "inserted_at", "filename"}),
                read=rows.read_ids("version"),
            ),
        ),
        naming=Naming(pattern=re.compile(r"(?P<id>\d+)(?:_(?P<title>.*))?\.sql"), down=_SQL_DOWN),
        apply="dbmate{place} up",
        option="--migrations-dir",
        usual=("db/migrations",),
        mark=re.compile(r"^--\s*migrate:up", re.MULTILINE),
    ),
    Tool(
        key="goose",
        title="goose",
        shapes=(
            Shape(
                name="goose_db_version",
                columns=frozenset({"version_id", "is_applied"}),
                read=rows.read_goose,
            ),
        ),
        naming=Naming(
            pattern=re.compile(r"(?P<id>\d+)_(?P<title>.*)(?<!_test)\.(?:sql|go)"), spell=_spell_number, down=_SQL_DOWN
        ),
        apply="goose{place} up",
        option="-dir",
        usual=(".",),
        mark=re.compile(r"^--\s*\+goose\s+Up", re.MULTILINE | re.IGNORECASE),
    ),
    Tool(
        key="golang-migrate",
        title="golang-migrate",
        shapes=(
            Shape(
                name="schema_migrations",
                columns=frozenset({"version", "dirty"}),
                read=rows.read_golang_migrate,
            ),
        ),
        naming=Naming(pattern=re.compile(r"(?P<id>\d+)_(?P<title>.*)\.up\.\w+"), spell=_spell_number),
        apply='migrate{place} -database "$DATABASE_URL" up',
        option="-path",
        companions=("go.mod",),
    ),
    Tool(
        key="sqlx",
        title="sqlx",
        shapes=(
            Shape(
                name="_sqlx_migrations",
                columns=frozenset({"version", "success", "checksum"}),
                read=rows.read_sqlx,
            ),
        ),
        naming=Naming(pattern=re.compile(r"(?P<id>\d+)_(?P<title>.*?)(?:\.up)?(?<!\.down)\.sql"), spell=_spell_number),
        apply="sqlx migrate run{place}",
        option="--source",
        usual=("migrations",),
        sums=_sum_sha384,
        companions=("Cargo.toml",),
    ),
    Tool(
        key="flyway",
        title="Flyway",
        shapes=(
            Shape(
                name="flyway_schema_history",
                columns=frozenset({"version", "checksum", "success", "script"}),
                read=rows.read_flyway,
            ),
        ),
        naming=Naming(
            pattern=re.compile(r"(?:.*/)?(?:V(?P<id>\d[\d._]*)__(?P<title>[^/]*)|R__[^/]*)\.sql"),
            glob="**/*.sql",
            spell=_spell_dotted,
        ),
        apply="flyway{place} migrate",
        option="-configFiles",
        usual=("flyway.conf", "flyway.toml", "conf/flyway.conf"),
        is_by_config=True,
        sums=sum_lines,
    ),
    Tool(
        key="rails",
        title="Rails",
        shapes=(
            Shape(
                name="schema_migrations",
                columns=_VERSION,
                lacks=frozenset({"dirty", "inserted_at", "filename"}),
                read=rows.read_numbers("version"),
            ),
        ),
        naming=Naming(
            pattern=re.compile(rf"(?:.*/)?{_RUBY.pattern}"), glob="**/*.rb", spell=_spell_number, is_sql=False
        ),
        apply="bin/rails db:migrate",
        mark=re.compile(r"ActiveRecord::Migration"),
    ),
    Tool(
        key="ecto",
        title="Ecto",
        shapes=(
            Shape(
                name="schema_migrations",
                columns=frozenset({"version", "inserted_at"}),
                read=rows.read_numbers("version"),
            ),
        ),
        naming=Naming(
            pattern=re.compile(r"(?:.*/)?(?P<id>\d+)_(?P<title>\w+)\.exs"),
            glob="**/*.exs",
            spell=_spell_number,
            is_sql=False,
        ),
        apply="mix ecto.migrate",
        mark=re.compile(r"use\s+Ecto\.Migration"),
    ),
    Tool(
        key="sequel",
        title="Sequel",
        shapes=(
            Shape(name="schema_info", columns=_VERSION, read=rows.read_sequel_version),
            Shape(name="schema_migrations", columns=frozenset({"filename"}), read=_read_sequel_names),
        ),
        naming=Naming(pattern=_RUBY, spell=_spell_number, is_sql=False),
        apply='sequel{place} "$DATABASE_URL"',
        option="-m",
        mark=re.compile(r"Sequel\.migration"),
    ),
    Tool(
        key="sequelize",
        title="Sequelize",
        shapes=(Shape(name="SequelizeMeta", columns=frozenset({"name"}), read=rows.read_ids("name")),),
        naming=Naming(pattern=_SCRIPT, is_sql=False),
        apply="npx sequelize-cli db:migrate{place}",
        option="--migrations-path",
        usual=("migrations",),
        mark=re.compile(r"queryInterface"),
        companions=(".sequelizerc",),
    ),
    Tool(
        key="knex",
        title="knex",
        shapes=(Shape(name="knex_migrations", columns=frozenset({"name", "batch"}), read=rows.read_knex),),
        naming=Naming(pattern=_SCRIPT, is_sql=False),
        apply="npx knex migrate:latest",
        mark=re.compile(r"\bknex\b"),
        companions=tuple(f"knexfile.{ending}" for ending in _JAVASCRIPT),
    ),
    Tool(
        key="drizzle",
        title="Drizzle",
        shapes=(
            Shape(
                name="__drizzle_migrations",
                columns=frozenset({"hash", "created_at"}),
                schema="drizzle",
                read=rows.read_drizzle,
            ),
        ),
        read=read_journal,
        apply="npx drizzle-kit migrate",
        make="npx drizzle-kit generate",
        sums=_sum_sha256,
    ),
)

TOOLS: Mapping[str, Tool] = {tool.key: tool for tool in _ROWS}

CONFIGURATIONS: Mapping[str, str] = {
    "alembic.ini": "alembic",
    "pyproject.toml": "alembic",
    "manage.py": "django",
    "_journal.json": "drizzle",
    "flyway.conf": "flyway",
    "flyway.toml": "flyway",
    ".sequelizerc": "sequelize",
}
"""Files that configure a tool, by name."""

_BY_STEM = {"knexfile": "knex", "drizzle.config": "drizzle", "prisma.config": "prisma"}


def tool_of_config(path: PurePath) -> str:
    """Return the key of the tool that a file of this name configures, '' for none."""
    if path.suffix == ".prisma":
        return "prisma"
    return CONFIGURATIONS.get(path.name) or _BY_STEM.get(path.stem, "")
