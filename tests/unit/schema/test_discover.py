"""Which database and which models a service has, where its rules leave that open."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.domain.findings import Severity
from devenv.domain.model import SchemaRules
from devenv.domain.subject import CodePlace, Subject
from devenv.schema.discover import find_database_url, find_sources
from devenv.schema.ports import CannotLook

URL = "postgresql://app:pw@127.0.0.1/app"
PRISMA = 'datasource db {\n  provider = "postgresql"\n  url = env("SHOP_DB")\n}\nmodel A {\n  id Int @id\n}\n'


def subject(folder: Path, *, rules: SchemaRules | None = None, **environment: str) -> Subject:
    """Return a service whose code is in `folder`, which is the whole repository."""
    code = CodePlace(folder=str(folder), environment=environment)
    return Subject(service="api", rules=rules or SchemaRules(), code=code, repository=str(folder))


def test_rules_win_over_the_environment(tmp_path: Path) -> None:
    """What is written is what is meant."""
    assert find_database_url(subject(tmp_path, rules=SchemaRules(database="sqlite:///a.db"), DATABASE_URL=URL)) == (
        "sqlite:///a.db"
    )


def test_usual_variable_is_found(tmp_path: Path) -> None:
    """DATABASE_URL needs no rule."""
    assert find_database_url(subject(tmp_path, DATABASE_URL=URL, OTHER="x")) == URL


def test_address_without_a_database_is_none(tmp_path: Path) -> None:
    """What devenv itself tells a service of its dependencies is no login."""
    assert find_database_url(subject(tmp_path, POSTGRES_URL="postgresql://127.0.0.1:5432")) == ""


def test_variable_of_schema_prisma_is_found(tmp_path: Path) -> None:
    """`url = env("SHOP_DB")` says which one it is, among several."""
    (tmp_path / "schema.prisma").write_text(PRISMA)
    found = find_database_url(subject(tmp_path, SHOP_DB=URL, AUDIT_DB="postgresql://app@127.0.0.1/audit"))
    assert found == URL


def test_several_databases_are_refused(tmp_path: Path) -> None:
    """Nobody guesses which one is meant; no password is said."""
    with pytest.raises(CannotLook) as caught:
        find_database_url(subject(tmp_path, ONE=URL, TWO="postgresql://app:pw@127.0.0.1/two"))
    assert caught.value.reason == "several variables name a database: ONE, TWO"


def test_url_of_alembic_ini_is_the_last_resort(tmp_path: Path) -> None:
    """Its placeholder is none."""
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nsqlalchemy.url = driver://user:pass@localhost/dbname\n")
    assert find_database_url(subject(tmp_path)) == ""
    ini.write_text(f"[alembic]\nsqlalchemy.url = {URL}\n")
    assert find_database_url(subject(tmp_path)) == URL


def test_alembic_tells_models_and_migrations(tmp_path: Path) -> None:
    """One alembic.ini is enough."""
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "migrations/versions").mkdir(parents=True)
    (tmp_path / "migrations/env.py").write_text("")
    sources = find_sources(subject(tmp_path))
    assert [(one.kind, Path(one.path).name) for one in sources.models] == [("sqlalchemy", "alembic.ini")]
    assert [place.tool for place in sources.tools] == ["alembic"]


@pytest.mark.parametrize("scripts", ["db/migrations", "migrations"])
def test_scripts_of_alembic_may_begin_where_the_service_starts(tmp_path: Path, scripts: str) -> None:
    """`alembic -c db/alembic.ini` reads `script_location` from where it is started; in `db` it means what is there."""
    (tmp_path / "db/migrations/versions").mkdir(parents=True)
    (tmp_path / "db/alembic.ini").write_text(f"[alembic]\nscript_location = {scripts}\n")
    (place,) = find_sources(subject(tmp_path)).tools
    assert place.folder == str(tmp_path / "db/migrations/versions")


def test_schema_prisma_that_moved_is_found_elsewhere(tmp_path: Path) -> None:
    """The incident of the handbook: the service names a place, and the file is in another one."""
    (tmp_path / "prisma").mkdir()
    (tmp_path / "prisma/schema.prisma").write_text(PRISMA)
    (tmp_path / "handbook").mkdir()
    code = CodePlace(folder=str(tmp_path / "handbook"))
    rules = SchemaRules(models="prisma/schema.prisma")
    moved = Subject(service="handbook", rules=rules, code=code, repository=str(tmp_path))
    (finding,) = find_sources(moved).findings
    assert finding.severity is Severity.ERROR
    assert finding.text == (
        "handbook names prisma/schema.prisma, and there is no such file in handbook; found prisma/schema.prisma"
    )


def test_nothing_to_check_with_is_unknown_and_never_ok(tmp_path: Path) -> None:
    """An empty folder has no models: that is said, with the places that were looked at."""
    (finding,) = find_sources(subject(tmp_path)).findings
    assert finding.id == "models-not-found"
    assert finding.severity is Severity.UNKNOWN
    assert "alembic.ini, manage.py" in finding.text
