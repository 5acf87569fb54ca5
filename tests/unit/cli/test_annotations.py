"""Annotations for GitHub Actions, taken apart as its runner does; and the example workflow."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from devenv.cli.main import app
from devenv.cli.views.annotations import annotation_lines, fence
from devenv.domain.findings import Finding, Severity, Topic, Verdict

EXAMPLE = Path(__file__).parents[3] / "examples" / "ci" / "check.yml"
ROOT = "/home/runner/work/shop/shop"
MISSING = Finding(
    id="column-missing:users.tenant_id",
    severity=Severity.ERROR,
    topic=Topic.MODELS,
    text="table users lacks the column tenant_id",
    fix="alembic upgrade head",
    place="app/models/user.py:14",
)
COMMANDS = {"error", "warning", "notice", "stop-commands", "add-mask", "set-output"}


def _annotate(*findings: Finding, folder: str = "", strict: bool = False) -> list[str]:
    return annotation_lines([Verdict(service="api", findings=findings)], root=ROOT, folder=folder, strict=strict)


def _parse(line: str) -> tuple[str, dict[str, str], str]:
    """Take a line apart as the runner does: command, properties, and the text that people see."""
    found = re.fullmatch(r"::([a-z-]+)(?: (.*?))?::(.*)", line.strip())
    assert found is not None
    assert found[1] in COMMANDS, line
    pairs = [pair.split("=", 1) for pair in (found[2] or "").split(",") if pair]
    return found[1], {name: _unescape(value) for name, value in pairs}, _unescape(found[3])


def _unescape(text: str) -> str:
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, meant)
    return text


def _finding(severity: Severity = Severity.ERROR, **fields: Any) -> Finding:
    return Finding(**{"id": "x", "severity": severity, "topic": Topic.MODELS, "text": "something", **fields})


def test_annotation_stands_beside_the_line_of_the_model() -> None:
    """File, line and title as properties; text and fix as what people read."""
    (line,) = _annotate(MISSING)
    assert _parse(line) == (
        "error",
        {"file": "app/models/user.py", "line": "14", "title": "api: models"},
        "table users lacks the column tenant_id\nfix: alembic upgrade head",
    )


@pytest.mark.parametrize(
    ("severity", "strict", "command"),
    [
        (Severity.ERROR, False, "error"),
        (Severity.UNKNOWN, False, "warning"),
        (Severity.UNKNOWN, True, "error"),
        (Severity.WARNING, True, "warning"),
        (Severity.INFO, True, "notice"),
    ],
)
def test_command_follows_the_severity(severity: Severity, strict: bool, command: str) -> None:
    """What was not checked is an error only with `--strict`."""
    (line,) = _annotate(_finding(severity), strict=strict)
    assert _parse(line)[0] == command


def test_what_was_not_checked_says_so_in_its_title() -> None:
    """A warning that looked like any other would hide that nothing was proven."""
    (line,) = _annotate(_finding(Severity.UNKNOWN))
    assert _parse(line)[1]["title"] == "api: models, not checked"


@pytest.mark.parametrize(
    ("place", "folder", "file"),
    [
        ("app/user.py:14", "", "app/user.py"),
        ("app/user.py:14", f"{ROOT}/services/api", "services/api/app/user.py"),
        (f"{ROOT}/app/user.py:14", "/elsewhere", "app/user.py"),
        ("../shared/user.py:14", f"{ROOT}/api", "shared/user.py"),
    ],
)
def test_file_is_relative_to_the_repository(place: str, folder: str, file: str) -> None:
    """From wherever the place was told."""
    (line,) = _annotate(_finding(place=place), folder=folder)
    assert (_parse(line)[1]["file"], _parse(line)[1]["line"]) == (file, "14")


@pytest.mark.parametrize("place", ["/usr/lib/python3/models.py:3", "../other/models.py:3"])
def test_place_outside_the_repository_is_told_in_the_text(place: str) -> None:
    """GitHub shows no annotation for a file that it does not have."""
    (line,) = _annotate(_finding(place=place))
    _, properties, text = _parse(line)
    assert "file" not in properties
    assert place in text


def test_gravest_findings_of_all_services_come_first() -> None:
    """GitHub shows ten of each kind in a step."""
    verdicts = [
        Verdict(service="web", findings=(_finding(Severity.WARNING), _finding(Severity.UNKNOWN))),
        Verdict(service="api", findings=(_finding(Severity.ERROR),)),
    ]
    titles = [_parse(line)[1]["title"] for line in annotation_lines(verdicts, root=ROOT)]
    assert titles == ["api: models", "web: models, not checked", "web: models"]


@pytest.mark.parametrize(
    "evil",
    ["a\n::add-mask::b", "a\r\n::error::b", "a\u2028::error::b", "a\x85::error::b", "a::error::b", "##[add-mask]b"],
)
@pytest.mark.parametrize("name", ["text", "fix", "place", "details"])
def test_data_cannot_smuggle_in_a_command(evil: str, name: str) -> None:
    """Whatever a database says stays the text of one annotation."""
    (line,) = _annotate(_finding(**{name: (evil,) if name == "details" else evil}))
    assert len(line.splitlines()) == 1
    command, properties, _ = _parse(line)
    assert command == "error"
    assert set(properties) <= {"file", "line", "title"}


def test_percent_comma_and_colon_arrive_as_they_are() -> None:
    """What is escaped is what the runner unescapes."""
    verdict = Verdict(service="a,b:c%0A", findings=(_finding(text="100%, %0A: é", place="a,b%3A.py:3"),))
    (line,) = annotation_lines([verdict], root=ROOT)
    assert _parse(line) == (
        "error",
        {"file": "a,b%3A.py", "line": "3", "title": "a,b:c%0A: models"},
        "100%, %0A: é",
    )


def test_fence_lets_the_runner_take_no_command_from_what_people_read() -> None:
    """A wrapped line may begin with what a database said."""
    assert fence(["::add-mask::x"], token="t0k3n") == ["::stop-commands::t0k3n", "::add-mask::x", "::t0k3n::"]


def test_example_workflow_uses_only_options_that_exist() -> None:
    """It is there to be copied: every devenv command of it is held against the real command line."""
    commands = list(_devenv_commands())
    assert {words[0] for words in commands} == {"up", "check", "down"}
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for command, *rest in commands:
        options = {name for parameter in known[command].params for name in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= options, command


def test_example_workflow_ends_what_it_started_and_keeps_secrets_out_of_its_scripts() -> None:
    """`down` and the reports come whatever failed; a secret is no part of a script's text."""
    jobs = yaml.safe_load(EXAMPLE.read_text())["jobs"]
    for job in jobs.values():
        always = [step for step in job["steps"] if "always()" in step.get("if", "")]
        assert any("upload-artifact" in step.get("uses", "") for step in always)
        assert not any("${{" in step.get("run", "") for step in job["steps"])
    assert any("devenv down" in step.get("run", "") for step in jobs["checkout"]["steps"] if step.get("if"))


def _devenv_commands() -> list[list[str]]:
    jobs = yaml.safe_load(EXAMPLE.read_text())["jobs"]
    lines = [line for job in jobs.values() for step in job["steps"] for line in step.get("run", "").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("devenv ")]
