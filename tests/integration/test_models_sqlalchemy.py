"""SQLAlchemy models and Alembic projects, read in interpreters of their own: 1.4, 2.0 and 2.1."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from devenv.adapters.models.reader import read_models
from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Table
from devenv.schema.ports import CannotLook, ModelAnswer
from tests.support.venvs import SQLALCHEMY_14, SQLALCHEMY_20, SQLALCHEMY_21, ask, build_venv, write_files

read = partial(read_models, cache_dir=None, deadline_s=20.0)

MODELS = """\
    import enum
    import sqlalchemy as sa
    from sqlalchemy.orm import declarative_base

    Base = declarative_base()

    class Status(enum.Enum):
        ACTIVE = "active"
        GONE = "gone"

    class Level(enum.Enum):
        LOW = "low"
        HIGH = "high"

    class Code(sa.types.TypeDecorator):
        impl = sa.String(12)
        cache_ok = True

    tags = sa.Table(
        "tags",
        Base.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(20), unique=True),
        schema="shared",
    )

    class User(Base):
        __tablename__ = "users"
        id = sa.Column(sa.BigInteger, sa.Identity(), primary_key=True)
        email = sa.Column(sa.String(80), nullable=False, index=True)
        status = sa.Column(sa.Enum(Status), nullable=False)
        level = sa.Column(sa.Enum(Level, name="level", schema="shared", values_callable=lambda e: [m.value for m in e]))
        plain = sa.Column(sa.Enum("a", "b", native_enum=False, length=4))
        past = sa.Column(sa.ARRAY(sa.Enum(Status)).with_variant(sa.JSON(), "sqlite").with_variant(sa.JSON(), "mysql"))
        code = sa.Column(Code)
        made = sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.func.now())
        size = sa.Column(sa.Integer, sa.Computed("1 + 1"))
        tag_id = sa.Column(sa.ForeignKey("shared.tags.id"))
        __table_args__ = (
            sa.UniqueConstraint("email", "tag_id", name="uq_users"),
            sa.Index("ix_lower", sa.func.lower(email), unique=True),
            sa.Index("ix_part", email.desc(), postgresql_where=(tag_id > 3)),
        )
"""


@pytest.fixture(scope="module", params=[SQLALCHEMY_14, SQLALCHEMY_20, SQLALCHEMY_21], ids=["1.4", "2.0", "2.1"])
def venv(request: pytest.FixtureRequest) -> Path:
    """Return an environment with one of the versions."""
    return build_venv(request.config, request.param)


@pytest.fixture(scope="module")
def venv_20(request: pytest.FixtureRequest) -> Path:
    """Return one with SQLAlchemy 2.0, asyncpg and Flask-Migrate."""
    return build_venv(request.config, SQLALCHEMY_20)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the models above."""
    return write_files(tmp_path_factory.mktemp("shop"), {"app/__init__.py": "", "app/models.py": MODELS})


@pytest.fixture(scope="module")
def answer(venv: Path, project: Path) -> ModelAnswer:
    """Return the models as PostgreSQL would have them."""
    return read(ask(venv, project, reference="app.models:Base"))


def columns_of(answer: ModelAnswer, name: str) -> dict[str, Column]:
    """Return the columns of a table by name."""
    return {column.name: column for column in table_of(answer, name).columns}


def table_of(answer: ModelAnswer, name: str) -> Table:
    """Return a table by name."""
    return next(table for table in answer.schema.tables if table.name == name)


def test_types_are_those_of_the_asked_database_when_models_are_read(answer: ModelAnswer) -> None:
    """Every type comes as PostgreSQL would be told it, the user's own types and arrays included."""
    types = {name: column.type for name, column in columns_of(answer, "users").items()}
    assert types == {
        "id": "BIGINT", "email": "VARCHAR(80)", "status": "status", "level": "shared.level", "plain": "VARCHAR(4)",
        "past": "status[]", "code": "VARCHAR(12)", "made_at": "TIMESTAMP WITH TIME ZONE", "size": "INTEGER",
        "tag_id": "INTEGER",
    }  # fmt: skip


def test_column_says_what_the_database_fills_when_it_has_a_default_identity_or_expression(answer: ModelAnswer) -> None:
    """Identity, server default, computed column and counting key are filled; the others are the code's to write."""
    filled = {name for name, column in columns_of(answer, "users").items() if column.is_filled}
    generated = {name for name, column in columns_of(answer, "users").items() if column.is_generated}
    assert (filled, generated) == ({"id", "made_at", "size"}, {"size"})
    assert columns_of(answer, "tags")["id"].is_filled


def test_enum_values_are_those_that_are_written_when_python_enums_are_used(answer: ModelAnswer) -> None:
    """SQLAlchemy writes an enum's names unless `values_callable` says otherwise; non-native ones are no type."""
    assert answer.schema.enums == (
        Enum(name="status", values=("ACTIVE", "GONE"), place="app/models.py:7"),
        Enum(name="level", schema="shared", values=("low", "high"), place="app/models.py:11"),
    )
    users = columns_of(answer, "users")
    assert [users[name].enum for name in ("status", "level", "past", "plain")] == [
        "status",
        "shared.level",
        "status",
        "",
    ]
    assert users["past"].is_array


def test_keys_and_indexes_are_read_when_models_declare_them(answer: ModelAnswer) -> None:
    """Expressions are '', order does not hide the column, a condition makes it partial."""
    users = table_of(answer, "users")
    assert users.primary_key == ("id",)
    assert users.uniques == (("email", "tag_id"),)
    assert users.indexes == (
        Index(name="ix_lower", columns=("",), unique=True),
        Index(name="ix_part", columns=("email",), partial=True),
        Index(name="ix_users_email", columns=("email",)),
    )
    assert users.foreign_keys == (ForeignKey(columns=("tag_id",), schema="shared", table="tags", targets=("id",)),)
    assert table_of(answer, "tags").uniques == (("name",),)


def test_places_lead_to_the_line_when_classes_and_tables_are_written(answer: ModelAnswer) -> None:
    """A column's place is its own line, in a class body and in a `Table(…)`."""
    assert table_of(answer, "users").place == "app/models.py:27"
    assert columns_of(answer, "users")["made_at"].place == "app/models.py:36"
    assert table_of(answer, "tags").place == "app/models.py:19"
    assert columns_of(answer, "tags")["name"].place == "app/models.py:23"


def test_enum_is_inline_when_the_database_is_mysql(venv: Path, project: Path) -> None:
    """MySQL keeps the values in the column's type."""
    users = columns_of(read(ask(venv, project, reference="app.models:Base", dialect=Dialect.MYSQL)), "users")
    assert (users["status"].type, users["status"].values) == ("ENUM('ACTIVE','GONE')", ("ACTIVE", "GONE"))
    assert (users["status"].enum, users["past"].type) == ("", "JSON")


def test_variant_is_taken_when_the_database_is_sqlite(venv_20: Path, project: Path) -> None:
    """`with_variant` and the plain text of enums are what SQLite gets."""
    users = columns_of(read(ask(venv_20, project, reference="app.models:Base", dialect=Dialect.SQLITE)), "users")
    assert (users["past"].type, users["past"].is_array, users["status"].type) == ("JSON", False, "VARCHAR(6)")


@pytest.mark.parametrize(
    "reference", ["app.models:Base.metadata", "app.kinds:all_of", "app.kinds:make", "app.kinds:db"]
)
def test_metadata_is_found_when_the_reference_is_one_of_its_holders(
    venv_20: Path, tmp_path: Path, reference: str
) -> None:
    """MetaData itself, a list, a function that returns one, and the `db` of Flask-SQLAlchemy."""
    kinds = """\
        from flask_sqlalchemy import SQLAlchemy
        from app.models import Base
        db = SQLAlchemy(metadata=Base.metadata)
        all_of = [Base.metadata]
        def make():
            return Base.metadata
    """
    write_files(tmp_path, {"app/__init__.py": "", "app/models.py": MODELS, "app/kinds.py": kinds})
    assert [table.name for table in read(ask(venv_20, tmp_path, reference=reference)).schema.tables] == [
        "tags",
        "users",
    ]


def test_unknown_type_is_a_warning_when_it_cannot_be_compiled(venv_20: Path, tmp_path: Path) -> None:
    """One odd column does not hide the other tables."""
    models = """\
        import sqlalchemy as sa
        metadata = sa.MetaData()
        class Odd(sa.types.UserDefinedType):
            cache_ok = True
        sa.Table("t", metadata, sa.Column("a", Odd), sa.Column("b", sa.Integer))
    """
    answer = read(ask(venv_20, write_files(tmp_path, {"models.py": models}), reference="models:metadata"))
    assert [column.type for column in answer.schema.tables[0].columns] == ["", "INTEGER"]
    assert [warning.partition(":")[0] for warning in answer.warnings] == ["the type of t.a is not known"]


# Alembic


INI = """\
    [alembic]
    script_location = %(here)s/migrations
    sqlalchemy.url = postgresql://shop:pa55@db.invalid/shop
"""

ENV = """\
    import sys
    from alembic import context
    from sqlalchemy import engine_from_config, pool
    from app.models import Base

    config = context.config
    target_metadata = Base.metadata

    def include_object(object, name, type_, reflected, compare_to):
        return not (type_ == "table" and name == "tags")

    def run_migrations_offline():
        context.configure(url=config.get_main_option("sqlalchemy.url"), target_metadata=target_metadata,
                          version_table="revisions", version_table_schema="ops", include_object=include_object)
        with context.begin_transaction():
            context.run_migrations()

    def run_migrations_online():
        with engine_from_config(config.get_section(config.config_ini_section)).connect() as connection:
            context.configure(connection=connection, target_metadata=target_metadata)

    run_migrations_offline() if context.is_offline_mode() else run_migrations_online()
"""

ASYNC_ENV = """\
    import asyncio
    from alembic import context
    from sqlalchemy.ext.asyncio import async_engine_from_config
    from app.models import Base

    target_metadata = Base.metadata

    def configure(connection):
        context.configure(connection=connection, target_metadata=target_metadata)

    async def run_migrations_online():
        options = {"sqlalchemy.url": "postgresql+asyncpg://shop:pa55@127.0.0.1:1/shop"}
        engine = async_engine_from_config(options)
        async with engine.connect() as connection:
            await connection.run_sync(configure)

    asyncio.run(run_migrations_online())
"""


def alembic_project(folder: Path, env: str, **more: str) -> Path:
    """Write a project whose env.py is `env`."""
    files = {"alembic.ini": INI, "migrations/env.py": env, "app/__init__.py": "", "app/models.py": MODELS, **more}
    return write_files(folder, files)


def test_env_py_names_the_models_when_there_is_no_reference(venv: Path, tmp_path: Path) -> None:
    """Metadata, version table, filter and URL are those that env.py gives to Alembic."""
    answer = read(ask(venv, alembic_project(tmp_path, ENV), alembic_ini="alembic.ini"))
    assert [table.name for table in answer.schema.tables] == ["users"]
    assert answer.ignored_tables == ("shared.tags",)
    assert (answer.version_table, answer.version_schema) == ("revisions", "ops")
    assert answer.database_url == "postgresql://shop:pa55@db.invalid/shop"


@pytest.mark.parametrize("scripts", ["db/migrations", "migrations"])
def test_env_py_is_found_when_its_place_is_relative(venv: Path, tmp_path: Path, scripts: str) -> None:
    """It begins where the service starts, or beside alembic.ini."""
    ini = INI.replace("%(here)s/migrations", scripts)
    files = {"db/alembic.ini": ini, "db/migrations/env.py": ENV, "app/__init__.py": "", "app/models.py": MODELS}
    answer = read(ask(venv, write_files(tmp_path, files), alembic_ini="db/alembic.ini"))
    assert [table.name for table in answer.schema.tables] == ["users"]


def test_env_py_is_read_when_it_only_knows_the_asynchronous_way(venv_20: Path, tmp_path: Path) -> None:
    """It fails where it would connect, and has named its metadata by then."""
    answer = read(ask(venv_20, alembic_project(tmp_path, ASYNC_ENV), alembic_ini="alembic.ini"))
    assert [table.name for table in answer.schema.tables] == ["tags", "users"]


def test_reference_wins_when_env_py_cannot_run(venv_20: Path, tmp_path: Path) -> None:
    """env.py is only asked for its settings then: that it fails is a warning."""
    folder = alembic_project(tmp_path, "raise RuntimeError('no settings')")
    answer = read(ask(venv_20, folder, reference="app.models:Base", alembic_ini="alembic.ini"))
    assert len(answer.schema.tables) == 2
    assert answer.warnings == ("env.py could not be run for its settings: RuntimeError: no settings",)


def test_dialect_is_that_of_the_project_when_none_is_asked(venv_20: Path, tmp_path: Path) -> None:
    """The URL of alembic.ini tells it."""
    ini = INI.replace("postgresql://shop:pa55@db.invalid/shop", "mysql+pymysql://shop@db.invalid/shop")
    folder = alembic_project(tmp_path, ENV, **{"alembic.ini": ini})
    assert read(ask(venv_20, folder, alembic_ini="alembic.ini", dialect=None)).schema.dialect is Dialect.MYSQL


def test_flask_migrate_is_read_when_its_env_py_needs_an_application(venv_20: Path, tmp_path: Path) -> None:
    """The application is made as the flask command makes it, from the service's folder."""
    app = """\
        from flask import Flask
        from flask_migrate import Migrate
        from flask_sqlalchemy import SQLAlchemy
        db = SQLAlchemy()
        class Note(db.Model):
            id = db.Column(db.Integer, primary_key=True)
        def create_app():
            app = Flask(__name__)
            app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////nowhere/app.db"
            db.init_app(app)
            Migrate(app, db)
            return app
    """
    templates = next(venv_20.glob("lib/*/site-packages/flask_migrate/templates/flask"))
    ini = (templates / "alembic.ini.mako").read_text()
    env = (templates / "env.py").read_text()
    folder = write_files(tmp_path, {"app.py": app, "migrations/alembic.ini": ini, "migrations/env.py": env})
    answer = read(ask(venv_20, folder, alembic_ini="migrations/alembic.ini", dialect=None))
    assert [table.name for table in answer.schema.tables] == ["note"]
    assert answer.schema.dialect is Dialect.SQLITE


def test_env_py_that_fails_is_named_when_the_models_hang_on_it(venv_20: Path, tmp_path: Path) -> None:
    """The finding leads to the line, and to the command that shows it."""
    with pytest.raises(CannotLook) as caught:
        read(ask(venv_20, alembic_project(tmp_path, "raise RuntimeError('no settings')"), alembic_ini="alembic.ini"))
    assert caught.value.place == "migrations/env.py:1"
    assert caught.value.reason == "alembic.ini cannot be imported (migrations/env.py:1): RuntimeError: no settings"
    assert caught.value.fix.endswith("/bin/python -m alembic current")
