"""Procfiles, the resolved stack as a document, the schema for editors, and what loading imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from devenv import probes
from devenv.config.load import Request, load
from devenv.config.render import MASK, mask, to_document, to_yaml
from devenv.config.schema.export import json_schema
from devenv.domain.errors import ConfigError
from devenv.domain.model import ProcessRun
from tests.unit.config.conftest import Folder, environment_of

ROOT = Path(__file__).parents[3]


def test_procfile_gives_processes_with_ports_in_steps(folder: Folder) -> None:
    """As foreman: .env for all, PORT 5000, 5100, …, and no declared port."""
    folder.write(".env", "A='a$b'\n")
    stack = folder.load("# web first\nweb: serve $PORT: x\n\nworker:work\n", name="Procfile")
    run = stack.services["web"].run
    assert isinstance(run, ProcessRun)
    assert run.argv == ("/bin/sh", "-c", "serve $$PORT: x")
    assert environment_of(stack, "web") == {"A": "a$$b", "PORT": "5000"}
    assert environment_of(stack, "worker")["PORT"] == "5100"
    assert [service.ports for service in stack.services.values()] == [(), ()]
    mark = stack.services["worker"].mark
    assert mark
    assert mark.line == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("web serve", 'Procfile:1:1: is not "name: command"'),
        ("web: a\nweb: b", 'Procfile:2:1: the process "web" is given twice; the first is in line 1'),
        ("  web:", "Procfile:1:3: web has no command"),
        ("", "Procfile:1:1: is empty"),
        (
            "a b: c",
            'Procfile:1:1: "a b" is not a service name: use letters, digits, "_" and "-", a letter or digit first',
        ),
    ],
)
def test_procfile_says_its_mistakes_when_it_has_some(folder: Folder, text: str, expected: str) -> None:
    """With line and column."""
    assert expected in folder.lines(text, name="Procfile")


def test_error_says_what_was_looked_for_when_there_is_no_file(folder: Folder) -> None:
    """And how to name one."""
    with pytest.raises(ConfigError, match="cannot find a stack") as caught:
        folder.load()
    assert "services.yaml" in caught.value.why


def test_error_names_the_file_when_it_is_missing(folder: Folder) -> None:
    """`-f` of nothing."""
    with pytest.raises(ConfigError, match=r"cannot read gone\.yaml"):
        folder.load(file="gone.yaml")


def test_document_hides_secrets_when_not_told_otherwise(folder: Folder) -> None:
    """By the names of variables, in URLs and in commands."""
    stack = folder.load(
        "services:\n  a:\n    command: run --x TOKEN=abc\n    environment: {DB_PASSWORD: s3, API_KEY: s4, "
        "URL: 'pg://u:s5@h/d', KEYS: k}\n"
        "    ready: {sql: 'postgresql://u:s6@h/d'}"
    )
    text = json.dumps(to_document(stack))
    assert not [secret for secret in ("abc", "s3", "s4", "s5", "s6") if secret in text]
    assert f"pg://u:{MASK}@h/d" in text
    assert "s3" in json.dumps(to_document(stack, show_secrets=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://:pw@h", f"redis://:{MASK}@h"),
        ("http://h/x?a=b", "http://h/x?a=b"),
        ("PGPASSWORD=x psql", f"PGPASSWORD={MASK} psql"),
        ("PORT=80", "PORT=80"),
    ],
)
def test_text_is_masked_when_it_holds_a_secret(text: str, expected: str) -> None:
    """Passwords of URLs and assignments to secret names."""
    assert mask(text) == expected


def test_document_is_yaml_when_asked(folder: Folder) -> None:
    """The same document in the file's language."""
    assert "a:" in to_yaml(to_document(folder.load("services: {a: {command: x}}")))


def walk(schema: object) -> list[dict[str, object]]:
    """Return all mappings in a schema."""
    if isinstance(schema, dict):
        return [schema, *(inner for item in schema.values() for inner in walk(item))]
    return [inner for item in schema for inner in walk(item)] if isinstance(schema, list) else []


def test_schema_describes_every_key() -> None:
    """Editors show a sentence for each."""
    lacking = [
        name
        for part in walk(json_schema())
        if isinstance(properties := part.get("properties"), dict)
        for name, shape in properties.items()
        if not shape.get("description")
    ]
    assert lacking == []


def test_schema_resolves_every_reference() -> None:
    """No `$ref` leads nowhere."""
    schema = json_schema()
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    used = {str(part["$ref"]).rpartition("/")[2] for part in walk(schema) if "$ref" in part}
    assert used
    assert used <= set(definitions)


def test_schema_knows_every_kind_of_probe() -> None:
    """The registry decides, not the schema."""
    text = json.dumps(json_schema())
    assert all(f'"required": ["{kind.kind}"]' in text for kind in probes.ALL)


def test_example_is_read_as_the_readme_says() -> None:
    """The example stack of this repository."""
    stack = load(Request(start=str(ROOT / "examples")), read_compose=None)
    assert {name: service.kind for name, service in stack.services.items()} == {
        "postgres": "container",
        "redis": "container",
        "migrate": "task",
        "api": "process",
        "signup": "process",
        "docs": "process",
        "bouncer": "process",
        "web": "process",
    }
    assert [port.number for service in stack.services.values() for port in service.ports] == [
        *(5432, 6379, 8000, 8002, 3000, 8080, 5173),
    ]
    assert (stack.name, stack.notes) == ("control-core", ())


@pytest.mark.usefixtures("real_subprocess")
def test_finding_a_file_imports_no_parser() -> None:
    """Commands that only ask where the stack is stay fast."""
    code = (
        "import sys; import devenv.config.load, devenv.config.discover; "
        "print([m for m in ('yaml', 'pydantic', 'anyio', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
