"""`schema:`, `import:`, `cache:` and `env:` of services.yaml: what they become, and each mistake in words."""

from __future__ import annotations

import pytest

from devenv.domain.model import CacheRules, EnvironmentRules, OnDrift, SchemaRules
from devenv.domain.references import resolve
from tests.unit.config.conftest import Folder


def test_schema_is_all_defaults_when_it_is_true(folder: Folder) -> None:
    """`schema: true` asks for what can be found."""
    rules = folder.load("services:\n  api: {command: x, schema: true}").services["api"].schema
    assert rules is not None
    assert (rules.database, rules.models, rules.migrate, rules.on_drift) == ("", "", (), OnDrift.FAIL)


@pytest.mark.parametrize("written", ["", ", schema: false"])
def test_schema_is_none_when_nothing_is_asked(folder: Folder, written: str) -> None:
    """A service without `schema:` is not checked."""
    assert folder.load(f"services:\n  api: {{command: x{written}}}").services["api"].schema is None


def test_schema_takes_every_key_of_the_documentation(folder: Folder) -> None:
    """The block of the README is read as it stands there."""
    folder.write("accepted.yaml", "- foreign-key-missing:orders.user_id\n")
    stack = folder.load(
        """
services:
  db: {command: x, ports: [5433]}
  api:
    command: x
    schema:
      database: postgresql://app@127.0.0.1:${db.port}/app
      models: app.models:Base
      migrations: alembic
      migrate: alembic upgrade head
      auto_migrate: true
      ignore: ["audit_*"]
      accept: accepted.yaml
      on_drift: warn
"""
    )
    rules = resolve(stack.services["api"], stack.services).schema
    assert rules is not None
    assert rules.mark is not None
    assert rules == SchemaRules(
        database="postgresql://app@127.0.0.1:5433/app",
        models="app.models:Base",
        migrations="alembic",
        migrate=("/bin/sh", "-c", "alembic upgrade head"),
        auto_migrate=True,
        ignore=("audit_*",),
        accept=str(folder.path / "accepted.yaml"),
        accepted=("foreign-key-missing:orders.user_id",),
        on_drift=OnDrift.WARN,
        mark=rules.mark,
    )


def test_compose_service_may_have_a_schema(folder: Folder) -> None:
    """Its entry adds the rules, as it adds a probe."""
    folder.write("compose.yml", "services: {api: {image: api}}\n")
    stack = folder.load("compose: [compose.yml]\nservices:\n  api: {schema: {models: app:db}}")
    assert stack.services["api"].schema is not None


def test_import_names_files_beside_the_file(folder: Folder) -> None:
    """Paths are relative to services.yaml, as everywhere in it."""
    stack = folder.load("services:\n  seed: {task: psql -f seed.sql, import: [seed.sql, more.sql]}")
    assert stack.services["seed"].imports == (str(folder.path / "seed.sql"), str(folder.path / "more.sql"))


def test_cache_holds_times_by_pattern(folder: Folder) -> None:
    """`any` allows every time to live."""
    cache = folder.load("services:\n  r: {command: x, cache: {prefixes: {'booking:*': 1h, 'x:*': any}}}").services["r"]
    assert cache.cache is not None
    assert cache.cache == CacheRules(prefixes={"booking:*": 3600.0, "x:*": None}, mark=cache.cache.mark)


def test_env_reads_its_rules_and_the_example_file(folder: Folder) -> None:
    """The values of .env.example are placeholders."""
    folder.write(".env.example", "SECRET=changeme\n")
    folder.write(".env", "MODE=dev\n")
    stack = folder.load(
        """
env: {required: [SECRET], forbidden: {CC_DROP_TABLES: true, MODE: [prod, live]}}
services:
  api: {command: x, env: {secrets: [PIN]}}
"""
    )
    example = str(folder.path / ".env.example")
    assert stack.env == EnvironmentRules(
        required=("SECRET",),
        forbidden={"CC_DROP_TABLES": ("true",), "MODE": ("prod", "live")},
        example=example,
        placeholders={"SECRET": "changeme"},
    )
    assert stack.variables["MODE"] == "dev"
    rules = stack.services["api"].env
    assert rules is not None
    assert (rules.secrets, rules.placeholders) == (("PIN",), {"SECRET": "changeme"})


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("schema: maybe", 'schema must be true, false or a mapping of settings, not "maybe"'),
        ("schema: {modles: x}", 'the key "modles" is unknown [did you mean "models"?]'),
        ("schema: {on_drift: stop}", 'on_drift must be one of fail, warn; not "stop"'),
        (
            "schema: {auto_migrate: true}",
            "auto_migrate needs migrate: the command that `up` may run [migrate: alembic upgrade head]",
        ),
        ("schema: {accept: no.yaml}", "the file no.yaml does not exist"),
        ("import: a.sql", "only a task imports: give it task: with the command that loads the file"),
        (
            "cache: {prefixes: [a]}",
            'prefixes must be a mapping of key patterns to times such as {"booking:*": 1h}, not a list',
        ),
        ("cache: {prefixes: {a: soon}}", '"soon" is not a duration; write 30s, 1m30s or 500ms'),
        (
            "cache: {prefixes: {'*': any}, flush_on_migrate: true}",
            "flush_on_migrate with the pattern * would drop every key; name the prefixes that hold cached rows",
        ),
        ("env: {requird: [A]}", 'the key "requird" is unknown [did you mean "required"?]'),
        ("env: {example: no.env}", "the file no.env does not exist"),
    ],
)
def test_mistake_is_said_when_a_rule_is_wrong(folder: Folder, written: str, expected: str) -> None:
    """One mistake gives one line."""
    (line,) = folder.lines(f"services:\n  a:\n    command: x\n    {written}")
    assert line.partition(": ")[2] == expected


def test_accept_file_is_refused_when_it_holds_no_ids(folder: Folder) -> None:
    """Its own place is named."""
    folder.write("accepted.yaml", "5\n")
    (line,) = folder.lines("services:\n  a: {command: x, schema: {accept: accepted.yaml}}")
    assert line.startswith("accepted.yaml:1:1: ")
