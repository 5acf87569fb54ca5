"""`devenv graph` and `devenv config`: the stack as it was read."""

from __future__ import annotations

import json

import pytest

from devenv.cli.main import run
from devenv.cli.views.graphs import critical_path, graph_document, graph_mermaid, graph_text
from devenv.domain.model import Condition, ContainerRun, Dependency, Service, Stack, TaskRun
from tests.unit.cli.stacks import StackFolder

STACK = Stack(
    name="shop",
    root="/src",
    files=(),
    services={
        "db": Service(name="db", run=ContainerRun(image="postgres")),
        "end-all": Service(
            name="end-all",
            run=TaskRun(argv=("true",), working_dir="/"),
            depends_on=(
                Dependency(service="db", condition=Condition.STARTED, required=False),
                Dependency(service="elsewhere"),
            ),
        ),
    },
)


def test_text_shows_waves_conditions_and_the_longest_path() -> None:
    """One line a service, in waves."""
    assert graph_text(STACK, {"db": 1.5, "end-all": 2.0}) == (
        "shop: 2 services, 2 waves\n"
        "wave 1   └─ db       container\n"
        "wave 2   └─ end-all  task       ← db started (optional), elsewhere ready\n"
        "longest path: db → end-all (3.5 s last time)"
    )


def test_mermaid_has_safe_identifiers_and_dotted_optional_edges() -> None:
    """`end` is a word of Mermaid, a dash is not one of its letters."""
    assert graph_mermaid(STACK).splitlines() == [
        "flowchart LR",
        '    s_db[("db")]',
        '    s_end_2d_all{{"end-all"}}',
        "    s_db -.->|started| s_end_2d_all",
    ]


def test_document_has_waves_and_edges() -> None:
    """The documented shape."""
    document = graph_document(STACK, {})
    assert document["version"] == 1
    assert document["waves"] == [["db"], ["end-all"]]
    assert document["longest_path"] == ["db", "end-all"]
    json.dumps(document)


def test_longest_path_follows_what_took_longest() -> None:
    """Seconds of the last time decide, not the number of steps."""
    edges = {"a": (), "b": ("a",), "c": ("b",), "slow": ("a",)}
    assert critical_path(edges, {"a": 1, "b": 1, "c": 1, "slow": 9}) == ("a", "slow")
    assert critical_path({}, {}) == ()


def test_graph_is_printed_when_nothing_runs(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no daemon."""
    assert stack.folder.is_dir()
    assert run(["graph", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["waves"] == [["migrate"], ["api"]]


def test_config_masks_secrets_when_not_asked_to_show_them(
    stack: StackFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """A password is shown only on request."""
    (stack.folder / "services.yaml").write_text("services: {a: {command: x, environment: {DB_PASSWORD: hunter2}}}\n")
    assert run(["config"]) == 0
    assert "hunter2" not in capsys.readouterr().out
    assert run(["config", "--show-secrets", "--json"]) == 0
    assert "hunter2" in capsys.readouterr().out


def test_config_prints_names_when_asked(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """One a line, or as JSON."""
    assert stack.folder.is_dir()
    assert run(["config", "--services"]) == 0
    assert run(["config", "--services", "--json"]) == 0
    assert capsys.readouterr().out == 'api\nmigrate\n{"version": 1, "services": ["api", "migrate"]}\n'


def test_config_prints_nothing_when_quiet(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the exit status."""
    assert run(["config", "-q"]) == 0
    (stack.folder / "services.yaml").write_text("services: {a: {comand: x}}\n")
    assert run(["config", "-q"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "services.yaml:1:" in captured.err


def test_config_prints_the_schema_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """It needs no stack."""
    assert run(["config", "--schema"]) == 0
    assert "ServiceInput" in json.loads(capsys.readouterr().out)["$defs"]


def test_config_refuses_two_kinds_of_names_at_once(stack: StackFolder) -> None:
    """Their lines could not be told apart."""
    assert stack.folder.is_dir()
    assert run(["config", "--services", "--images"]) == 2
