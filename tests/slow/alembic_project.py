"""Migrates a released project's database with its own scripts, and tells what SQLAlchemy and Alembic see in it.

Run by the project's own interpreter: `alembic_project.py URL ALEMBIC_INI SCRIPTS METADATA [INITIAL REVISION]`, where
METADATA and INITIAL are `module:attribute`. Prints one JSON document as its last line. Must not know devenv, and has
none of its code: what it says is what devenv is held to.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

import sqlalchemy
from alembic import autogenerate, command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory


def main(url: str, ini: str, scripts: str, metadata: str, *migration: str) -> None:
    """Print what is there; with INITIAL and REVISION make those tables and upgrade to it before."""
    engine = sqlalchemy.create_engine(url)
    config = Config(ini)
    config.set_main_option("script_location", scripts)
    config.set_main_option("sqlalchemy.url", url)
    if migration:
        initial, revision = migration
        load(initial).create_all(engine)
        command.upgrade(config, revision)
    print(json.dumps(look(engine, ScriptDirectory.from_config(config), load(metadata))))


def load(reference: str) -> Any:
    """Return the metadata of a declarative base."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name).metadata


def look(engine: sqlalchemy.Engine, scripts: ScriptDirectory, metadata: Any) -> dict[str, Any]:
    """Return columns by table, the pending revisions in order, and the columns whose type Alembic would change."""
    inspector = sqlalchemy.inspect(engine)
    columns = {table: [one["name"] for one in inspector.get_columns(table)] for table in inspector.get_table_names()}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        (current,) = context.get_current_heads()
        open_ = [one.revision for one in scripts.iterate_revisions("heads", current)]
        changes = autogenerate.compare_metadata(context, metadata)
    retyped = [f"{one[2]}.{one[3]}" for group in changes if isinstance(group, list) for one in group
               if one[0] == "modify_type"]  # fmt: skip
    return {"columns": columns, "pending": open_[::-1], "retyped": retyped}


main(*sys.argv[1:])
