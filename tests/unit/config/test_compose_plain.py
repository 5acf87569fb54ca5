"""Mistakes and limits of reading Compose files without Docker; what it reads right is compared in tests/integration."""

from __future__ import annotations

import pytest

from devenv.domain.model import ContainerRun
from tests.unit.config.conftest import Folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "services:\n  a: {imag: i}",
            [
                'compose.yaml:2:7: the key "imag" is unknown to Compose [did you mean "image"?]',
                "compose.yaml:2:6: a has neither image nor build",
            ],
        ),
        ("servces: {}", ['compose.yaml:1:1: the key "servces" is unknown to Compose [did you mean "services"?]']),
        ("services:\n  a: [i]", ["compose.yaml:2:6: a must be a mapping, not a list"]),
        (
            "services:\n  a: {image: i, ports: [99999]}",
            ["compose.yaml:2:24: 99999 is not a port: ports are 1 to 65535"],
        ),
        ("services:\n  a: {image: i, ports: ['x:y']}", ['compose.yaml:2:24: "x:y" is not a port; write "8080:80"']),
        (
            "services:\n  a: {image: i, ports: ['1-3:1-2']}",
            ['compose.yaml:2:24: "1-3:1-2" pairs 3 ports with 2'],
        ),
        (
            "services:\n  a: {image: i, stop_grace_period: fast}",
            ['compose.yaml:2:36: "fast" is not a duration; write 30s, 1m30s or 500ms'],
        ),
        (
            "services:\n  a: {image: i, volumes: ['data:/d']}\nvolumes: {date: }",
            ['compose.yaml:2:26: a uses the volume "data", which is not defined [did you mean "date"?]'],
        ),
        (
            "services:\n  a: {image: i, networks: [n]}",
            ['compose.yaml:2:27: a uses the network "n", which is not defined'],
        ),
        ("services:\n  a: {image: i, env_file: x.env}", ["compose.yaml:2:27: the env file x.env does not exist"]),
        (
            "services:\n  a: {image: '${I:?which}'}",
            ["compose.yaml:2:14: the required variable I is not set: which"],
        ),
        (
            "services:\n  a: {image: i, extends: b}",
            ['compose.yaml:2:26: "b" is extended but not defined in compose.yaml'],
        ),
        (
            "services:\n  a: {image: i, extends: {file: no.yml, service: b}}",
            ["no.yml: cannot be read: no such file or directory"],
        ),
        (
            "services:\n  a: {extends: b, image: i}\n  b: {extends: a, image: i}",
            [
                "compose.yaml:2:16: b extends itself in a circle",
                "compose.yaml:3:16: a extends itself in a circle",
            ],
        ),
        (
            "include: [no.yml]\nservices: {a: {image: i}}",
            ["compose.yaml:1:11: cannot include this: no.yml does not exist"],
        ),
        (
            "services:\n  a: {image: i, ports: !reset [1]}",
            None,
        ),
        (
            "services:\n  a: {image: i, ports: [!reset 1]}",
            [
                (
                    "compose.yaml:2:25: without Docker's CLI, !reset works only on a service, "
                    "a key of a service or a resource"
                ),
            ],
        ),
        (
            "services:\n  a: {image: i, depends_on: [b]}",
            ['compose.yaml:2:30: a depends on "b", which is not defined'],
        ),
        (
            "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i, profiles: [p]}",
            ["compose.yaml:2:30: a depends on b, which is disabled: profile p is not active; add --profile p"],
        ),
        (
            "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i, depends_on: [a]}",
            ["compose.yaml:2:30: the services depend on each other in a circle: a -> b -> a"],
        ),
    ],
)
def test_mistake_is_said_when_docker_cannot_say_it(folder: Folder, text: str, expected: list[str] | None) -> None:
    """Each mistake has its place."""
    if expected is None:
        assert folder.load(text, name="compose.yaml")
    else:
        assert sorted(folder.lines(text, name="compose.yaml")) == sorted(expected)


def test_include_loop_is_said_when_files_include_each_other(folder: Folder) -> None:
    """It ends."""
    folder.write("other.yml", "include: [compose.yaml]\nservices: {b: {image: i}}")
    found = folder.lines("include: [other.yml]\nservices: {a: {image: i}}", name="compose.yaml")
    assert any("include each other in a circle" in line for line in found)


def test_note_is_made_when_a_variable_of_a_compose_file_is_not_set(folder: Folder) -> None:
    """As Compose warns."""
    stack = folder.load("services:\n  a: {image: 'i${GONE}'}", name="compose.yaml")
    assert stack.notes == ("the variable GONE is not set and became empty (compose.yaml:2)",)


def test_dollars_are_doubled_when_a_model_leaves(folder: Folder) -> None:
    """Compose prints them so, and the domain reads them so."""
    folder.environment["P"] = "a${x.port}$b"
    run = folder.load("services: {a: {image: i, environment: {P: , Q: $$q}}}", name="compose.yaml").services["a"].run
    assert isinstance(run, ContainerRun)
    assert run.environment == {"P": "a$${x.port}$$b", "Q": "$$q"}
