"""Where a Prisma schema is looked for: Prisma's own order, and what else the repository has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv.schema.prisma.locate import (
    describe_candidate,
    find_candidates,
    find_prisma_schema,
    places_looked_at,
    read_prisma_config,
)

SCHEMA = 'datasource db {\n  provider = "postgresql"\n}\n'


def write(path: Path, text: str = SCHEMA) -> Path:
    """Write a file, its folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["schema.prisma", "prisma/schema.prisma"])
def test_schema_is_found_when_it_is_in_a_usual_place(tmp_path: Path, name: str) -> None:
    """Prisma finds these without being told."""
    assert find_prisma_schema(tmp_path) is None
    assert find_prisma_schema(write(tmp_path / name) and tmp_path) == tmp_path / name


def test_folder_is_found_when_the_schema_is_split(tmp_path: Path) -> None:
    """Prisma 5 reads `prisma/schema/`."""
    write(tmp_path / "prisma/schema/user.prisma")
    assert find_prisma_schema(tmp_path) == tmp_path / "prisma/schema"


def test_file_comes_first_when_both_usual_places_have_one(tmp_path: Path) -> None:
    """Prisma looks beside package.json before it looks into prisma/."""
    write(tmp_path / "prisma/schema.prisma")
    assert find_prisma_schema(write(tmp_path / "schema.prisma").parent) == tmp_path / "schema.prisma"


@pytest.mark.parametrize("argv", [("prisma", "dev", "--schema", "db/a.prisma"), ("x", "--schema=db/a.prisma")])
def test_schema_is_the_named_one_when_the_command_line_has_it(tmp_path: Path, argv: tuple[str, ...]) -> None:
    """A flag wins over every file."""
    write(tmp_path / "prisma/schema.prisma")
    write(tmp_path / "db/a.prisma")
    assert find_prisma_schema(tmp_path, argv) == tmp_path / "db/a.prisma"


def test_search_ends_when_what_is_named_is_not_there(tmp_path: Path) -> None:
    """Prisma would fail, so that the usual places do not help."""
    write(tmp_path / "prisma/schema.prisma")
    write(tmp_path / "package.json", json.dumps({"prisma": {"schema": "db/schema.prisma"}}))
    assert find_prisma_schema(tmp_path) is None
    assert places_looked_at(tmp_path) == (tmp_path / "db/schema.prisma",)


def test_places_are_all_told_when_nothing_names_one(tmp_path: Path) -> None:
    """The message says where was looked."""
    names = [str(place.relative_to(tmp_path)) for place in places_looked_at(tmp_path)]
    assert names == ["schema.prisma", "prisma/schema.prisma", "prisma/schema"]


def test_package_is_read_where_it_is_when_the_service_is_below_it(tmp_path: Path) -> None:
    """Paths of package.json begin beside it."""
    write(tmp_path / "package.json", json.dumps({"prisma": {"schema": "db/schema.prisma"}}))
    write(tmp_path / "db/schema.prisma")
    (tmp_path / "src").mkdir()
    assert find_prisma_schema(tmp_path / "src") == tmp_path / "db/schema.prisma"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"prisma": 1}', '{"prisma": {"schema": 1}}', "[" * 100_000])
def test_usual_places_count_when_package_json_says_nothing(tmp_path: Path, text: str) -> None:
    """A broken package.json is for others to complain about."""
    write(tmp_path / "package.json", text)
    assert find_prisma_schema(write(tmp_path / "schema.prisma").parent) == tmp_path / "schema.prisma"


@pytest.mark.parametrize(
    "written",
    [
        "schema: 'db/schema.prisma'",
        'schema: path.join("db", "schema.prisma")',
        'schema: path.join(__dirname, "db/schema.prisma")',
        "// schema: 'old.prisma'\n  schema: `./db/schema.prisma`",
        "/* schema: 'old.prisma' */ schema: 'db/schema.prisma'",
    ],
)
@pytest.mark.parametrize("name", ["prisma.config.ts", "prisma.config.mjs"])
def test_config_is_read_when_it_writes_the_path_out(tmp_path: Path, name: str, written: str) -> None:
    """Literals are enough for what people write."""
    write(tmp_path / "package.json", json.dumps({"prisma": {"schema": "other.prisma"}}))
    write(tmp_path / name, f"export default defineConfig({{\n  {written},\n}})\n")
    assert places_looked_at(tmp_path) == (tmp_path / "db/schema.prisma",)


def test_config_tells_migrations_and_variable_when_it_is_that_of_prisma_7(tmp_path: Path) -> None:
    """Prisma 7 keeps the URL out of the schema."""
    text = "migrations: { seed: 'x', path: 'db/migrations' }, datasource: { url: env('DB_URL') }"
    write(tmp_path / ".config/prisma.ts", text)
    found = read_prisma_config(tmp_path)
    assert found is not None
    assert (found.migrations, found.url_variable) == (tmp_path / ".config/db/migrations", "DB_URL")
    assert found.schema is None


@pytest.mark.parametrize(
    ("written", "variable", "url"),
    [
        ("url: process.env.DB_URL!", "DB_URL", ""),
        ("url: process.env['DB_URL']", "DB_URL", ""),
        ("url: env<Env>('DB_URL')", "DB_URL", ""),
        ("url: 'postgresql://h/d'", "", "postgresql://h/d"),
        ("url: readUrl()", "", ""),
    ],
)
def test_url_is_read_when_config_writes_it_out(tmp_path: Path, written: str, variable: str, url: str) -> None:
    """A variable, a literal, or nothing that could be known without running it."""
    write(tmp_path / "prisma.config.ts", f"export default {{ datasource: {{ {written} }} }}")
    found = read_prisma_config(tmp_path)
    assert found is not None
    assert (found.url_variable, found.url) == (variable, url)


def test_candidates_are_those_with_a_datasource_when_the_repository_is_searched(tmp_path: Path) -> None:
    """What is installed, built or hidden is no candidate, nor is a part of a folder schema."""
    write(tmp_path / "packages/db/prisma/schema.prisma")
    write(tmp_path / "prisma/schema.prisma")
    write(tmp_path / "prisma/user.prisma", "model User {\n  id Int @id\n}\n")
    for skipped in ("node_modules/x", ".git", "dist", "venv", ".venv", ".next"):
        write(tmp_path / skipped / "schema.prisma")
    assert find_candidates(tmp_path) == (
        tmp_path / "prisma/schema.prisma",
        tmp_path / "packages/db/prisma/schema.prisma",
    )


def test_candidate_is_described_by_its_datasource_when_it_has_one(tmp_path: Path) -> None:
    """The message of a moved schema names it."""
    assert describe_candidate(write(tmp_path / "a.prisma")) == "datasource db"
    assert describe_candidate(write(tmp_path / "b.prisma", "model A {\n}\n")) == ""


def test_candidates_are_ten_at_most_when_a_repository_has_many(tmp_path: Path) -> None:
    """A message with a hundred paths helps nobody."""
    for number in range(15):
        write(tmp_path / f"app{number}/schema.prisma")
    assert len(find_candidates(tmp_path)) == 10
