"""Which migration tools a folder has, from files as projects keep them, and where what has moved may be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.schema.ports import CannotLook
from devenv.schema.records.locate import find_moved, find_tools
from devenv.schema.records.state import ToolPlace

DBMATE = "-- migrate:up\nCREATE TABLE a (id int);\n"
GOOSE = "-- +goose Up\nCREATE TABLE a (id int);\n"
KNEX = "exports.up = (knex) => knex.schema.createTable('a');\n"
SEQUELIZE = "module.exports = { up: (queryInterface) => queryInterface.createTable('a') };\n"
RAILS = "class A < ActiveRecord::Migration[7.1]\nend\n"
SEQUEL = "Sequel.migration do\nend\n"
ECTO = "defmodule A do\n  use Ecto.Migration\nend\n"
INI = "[alembic]\nscript_location = db\n"
MANAGE = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'a')\nfrom django.core.management import x\n"
PRISMA = 'datasource db {\n  provider = "postgresql"\n}\n'
JOURNAL = '{"entries": []}'


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below `root`; a name that ends with `/` is a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(text)
    return root


def show(root: Path, places: tuple[ToolPlace, ...]) -> list[tuple[str, str, str]]:
    """Return tool, folder and configuration of each place, as seen from `root`."""
    assert all(place.root == str(root) for place in places)
    return [
        (place.tool, str(Path(place.folder).relative_to(root)), place.show(place.config) if place.config else "")
        for place in places
    ]


def find(
    root: Path, files: Mapping[str, str], *, hint: str = "", argv: tuple[str, ...] = ()
) -> list[tuple[str, str, str]]:
    """Write files, and return the tools that are found."""
    return show(root, find_tools(write(root, files), hint=hint, argv=argv))


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"alembic.ini": INI, "db/env.py": ""}, ("alembic", "db/versions", "alembic.ini")),
        ({"pyproject.toml": "[tool.alembic]\nscript_location = 'db'\n"}, ("alembic", "db/versions", "pyproject.toml")),
        ({"backend/alembic.ini": INI}, ("alembic", "backend/db/versions", "backend/alembic.ini")),
        ({"migrations/alembic.ini": "[alembic]\n", "migrations/env.py": ""},
         ("alembic", "migrations/versions", "migrations/alembic.ini")),
        ({"app/migrations/env.py": "", "app/migrations/versions/": ""}, ("alembic", "app/migrations/versions", "")),
        ({"manage.py": MANAGE}, ("django", ".", "manage.py")),
        ({"src/manage.py": MANAGE}, ("django", "src", "src/manage.py")),
        ({"prisma/schema.prisma": PRISMA, "prisma/migrations/1_a/migration.sql": ""},
         ("prisma", "prisma/migrations", "prisma/schema.prisma")),
        ({"prisma/schema.prisma": PRISMA, "prisma/migrations/migration_lock.toml": ""},
         ("prisma", "prisma/migrations", "prisma/schema.prisma")),
        ({"prisma/schema.prisma": PRISMA, "sql/1_a/migration.sql": "",
          "prisma.config.ts": "export default { schema: 'prisma/schema.prisma', migrations: { path: './sql' } }"},
         ("prisma", "sql", "prisma/schema.prisma")),
        ({"db/migrations/20240101_a.sql": DBMATE}, ("dbmate", "db/migrations", "")),
        ({"sql/schema/001_a.sql": GOOSE}, ("goose", "sql/schema", "")),
        ({"migrations/000001_a.up.sql": "", "migrations/000001_a.down.sql": "", "go.mod": ""},
         ("golang-migrate", "migrations", "")),
        ({"migrations/20240101_a.sql": "", "Cargo.toml": ""}, ("sqlx", "migrations", "")),
        ({"src/main/resources/db/migration/V1__a.sql": ""}, ("flyway", "src/main/resources/db/migration", "")),
        ({"flyway.conf": "flyway.locations=filesystem:scripts\n", "scripts/V1__a.sql": ""},
         ("flyway", "scripts", "flyway.conf")),
        ({"flyway.toml": '[flyway]\nlocations = ["filesystem:a", "filesystem:b"]\n', "b/V1__a.sql": ""},
         ("flyway", "b", "flyway.toml")),
        ({"db/migrate/20240101_a.rb": RAILS}, ("rails", "db/migrate", "")),
        ({"priv/repo/migrations/20240101_a.exs": ECTO}, ("ecto", "priv/repo/migrations", "")),
        ({"priv/audit_repo/migrations/20240101_a.exs": ECTO}, ("ecto", "priv/audit_repo/migrations", "")),
        ({"db/migrations/001_a.rb": SEQUEL}, ("sequel", "db/migrations", "")),
        ({"migrations/20240101-a.js": SEQUELIZE}, ("sequelize", "migrations", "")),
        ({".sequelizerc": "module.exports = { 'migrations-path': path.resolve(__dirname, 'db', 'steps') };",
          "db/steps/1-a.js": SEQUELIZE}, ("sequelize", "db/steps", ".sequelizerc")),
        ({"migrations/20240101_a.js": KNEX}, ("knex", "migrations", "")),
        ({"knexfile.js": "module.exports = { migrations: { tableName: 'x', directory: './db/steps' } };",
          "db/steps/1_a.js": KNEX}, ("knex", "db/steps", "knexfile.js")),
        ({"knexfile.ts": "export default { client: 'pg' };", "migrations/1_a.ts": KNEX},
         ("knex", "migrations", "knexfile.ts")),
        ({"drizzle/meta/_journal.json": JOURNAL}, ("drizzle", "drizzle", "")),
        ({"drizzle.config.ts": "export default defineConfig({ dialect: 'pg', out: './src/db/out' });",
          "src/db/out/meta/_journal.json": JOURNAL}, ("drizzle", "src/db/out", "drizzle.config.ts")),
    ],
)  # fmt: skip
def test_tool_is_found_by_its_files(tmp_path: Path, files: dict[str, str], found: tuple[str, str, str]) -> None:
    """Each as its own documentation has it."""
    assert find(tmp_path, files) == [found]


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": ""},
        {"migrations/notes.sql": "", "migrations/seed.js": "console.log(1)"},
        {"manage.py": "print('not that one')\n"},
        {"alembic.ini": "[loggers]\nkeys = root\n"},
        {"prisma/schema.prisma": PRISMA},
        {"node_modules/x/drizzle/meta/_journal.json": JOURNAL},
        {"db/": "", "migrations/": ""},
        {"knexfile.js": "module.exports = {};"},
    ],
)
def test_nothing_is_found_where_no_tool_is_used(tmp_path: Path, files: dict[str, str]) -> None:
    """A name alone is not enough."""
    assert find(tmp_path, files) == []


def test_both_tools_are_given_when_files_fit_both(tmp_path: Path) -> None:
    """The record in the database decides, later."""
    found = find(tmp_path, {"migrations/1_a.up.sql": "", "migrations/1_a.down.sql": ""})
    assert [tool for tool, _, _ in found] == ["golang-migrate", "sqlx"]


def test_several_tools_are_found_side_by_side(tmp_path: Path) -> None:
    """A service may have two databases."""
    files = {"alembic.ini": INI, "prisma/schema.prisma": PRISMA, "prisma/migrations/1_a/migration.sql": ""}
    assert [tool for tool, _, _ in find(tmp_path, files)] == ["alembic", "prisma"]


def test_configuration_of_the_program_line_wins(tmp_path: Path) -> None:
    """`alembic -c other.ini` and `python backend/manage.py` say which one it is."""
    files = {"alembic.ini": INI, "other.ini": "[alembic]\nscript_location = more\n"}
    assert find(tmp_path, files, argv=("alembic", "-c", "other.ini")) == [("alembic", "more/versions", "other.ini")]


# With a hint


@pytest.mark.parametrize(
    ("hint", "found"),
    [
        ("dbmate", ("dbmate", "db/migrations", "")),
        ("Alembic", ("alembic", "py/versions", "alembic.ini")),
        ("flask migrate", ("alembic", "py/versions", "alembic.ini")),
        ("db/migrations", ("dbmate", "db/migrations", "")),
        ("./db/migrations/", ("dbmate", "db/migrations", "")),
        ("alembic.ini", ("alembic", "py/versions", "alembic.ini")),
        ("web", ("knex", "web/migrations", "web/knexfile.js")),
        ("web/knexfile.js", ("knex", "web/migrations", "web/knexfile.js")),
        ("out/meta/_journal.json", ("drizzle", "out", "out/meta/_journal.json")),
        ("out", ("drizzle", "out", "")),
    ],
)
def test_hint_is_a_tool_a_folder_or_a_file(tmp_path: Path, hint: str, found: tuple[str, str, str]) -> None:
    """Whatever stands behind `migrations:`, among all that there is; paths are shown from the service's folder."""
    files = {
        "alembic.ini": "[alembic]\nscript_location = py\n",
        "db/migrations/1_a.sql": DBMATE,
        "web/knexfile.js": "module.exports = {};",
        "web/migrations/1_a.js": KNEX,
        "out/meta/_journal.json": JOURNAL,
    }
    places = find_tools(write(tmp_path, files), hint=hint)
    assert [
        (
            one.tool,
            str(Path(one.folder).relative_to(tmp_path)),
            str(Path(one.config).relative_to(tmp_path)) if one.config else "",
        )
        for one in places
    ] == [found]


def test_tool_of_the_hint_wins_over_what_files_look_like(tmp_path: Path) -> None:
    """`migrations: sqlx` for files that carry no mark of any tool."""
    assert find(tmp_path, {"migrations/20240101_a.sql": ""}, hint="sqlx") == [("sqlx", "migrations", "")]


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ("goose", "no migrations of goose in ROOT, nor a configuration that names them"),
        ("db/gone", "db/gone is neither the name of a migration tool nor a file or folder in ROOT"),
        ("notes.txt", "ROOT/notes.txt does not say where migrations are"),
        (
            "empty",
            "ROOT/empty holds no migrations of a tool that is known here (alembic, prisma, django, dbmate, goose, ",
        ),
    ],
)
def test_hint_that_names_nothing_is_said(tmp_path: Path, hint: str, reason: str) -> None:
    """With what was looked for, and where."""
    write(tmp_path, {"notes.txt": "x = 1\n", "empty/": ""})
    with pytest.raises(CannotLook) as caught:
        find_tools(tmp_path, hint=hint)
    assert caught.value.code == "no-migrations"
    assert caught.value.reason.startswith(reason.replace("ROOT", str(tmp_path)))


# What has moved


@pytest.mark.parametrize(
    ("wanted", "files", "found"),
    [
        ("handbook/prisma/schema.prisma", {"prisma/schema.prisma": PRISMA, "lib/half.prisma": "model A {}"},
         ["prisma/schema.prisma"]),
        ("schema.prisma", {"db/main.prisma": PRISMA, "db/models.prisma": "model A {}"}, ["db/main.prisma"]),
        ("alembic.ini", {"services/api/alembic.ini": INI, "node_modules/x/alembic.ini": INI},
         ["services/api/alembic.ini"]),
        ("alembic", {"services/api/alembic.ini": INI}, ["services/api/alembic.ini"]),
        ("manage.py", {"src/manage.py": MANAGE}, ["src/manage.py"]),
        ("db/migrations", {"server/db/migrations/1_a.sql": DBMATE, "docs/migrations/notes.md": ""},
         ["server/db/migrations"]),
        ("dbmate", {"server/db/migrations/1_a.sql": DBMATE, "other/1_a.sql": GOOSE}, ["server/db/migrations"]),
        ("api/db/migrations",
         {"migrations/1_a.sql": DBMATE, "old/db/migrations/1_a.sql": DBMATE, "x/api/db/migrations/1_a.sql": DBMATE},
         ["x/api/db/migrations", "old/db/migrations", "migrations"]),
        ("schema.prisma", {"README.md": ""}, []),
    ],
)  # fmt: skip
def test_candidates_are_what_is_called_alike(
    tmp_path: Path, wanted: str, files: dict[str, str], found: list[str]
) -> None:
    """The one whose path ends most alike comes first."""
    moved = find_moved(write(tmp_path, files), wanted)
    assert [str(path.relative_to(tmp_path)) for path in moved] == found


def test_search_ends_in_a_repository_without_end(tmp_path: Path) -> None:
    """Links lead nowhere, and so do folders that are too deep."""
    deep = tmp_path.joinpath(*"abcdefghijk")
    write(deep, {"alembic.ini": INI})
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert find_moved(tmp_path, "alembic.ini") == ()


def test_what_is_installed_is_not_searched(tmp_path: Path) -> None:
    """Packages bring migrations of their own; a virtual environment is one under any name."""
    write(
        tmp_path,
        {"py3/pyvenv.cfg": "", "py3/lib/alembic.ini": INI, ".git/alembic.ini": INI, "vendor/a/alembic.ini": INI},
    )
    assert find_moved(tmp_path, "alembic.ini") == ()
