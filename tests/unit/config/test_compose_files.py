"""Compose files: by themselves, under services.yaml, with Docker's CLI and without it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from devenv.config.compose.model import services_of
from devenv.config.compose.sources import ComposeSources
from devenv.domain.errors import ConfigError
from devenv.domain.model import Condition, ContainerRun, HealthCommand, OnConflict, Restart, Service, Stop
from tests.unit.config.conftest import Folder

BASE = "services: {a: {image: i}}"


def one(spec: Mapping[str, object], **model: object) -> Service:
    """Return the service that a canonical model with one service gives."""
    whole = {"name": "shop", "services": {"a": {"image": "i", **spec}}, **model}
    return services_of(whole, ComposeSources())["a"]


def run_of(service: Service) -> ContainerRun:
    """Return how a Compose service runs."""
    assert isinstance(service.run, ContainerRun)
    return service.run


@pytest.mark.parametrize(
    ("published", "number"), [("8080", 8080), ("8080-8090", None), ("", None), ("0", None), (None, None)]
)
def test_port_has_a_number_when_one_is_published(published: str | None, number: int | None) -> None:
    """A range or nothing means: the engine chooses."""
    port = one({"ports": [{"target": 80, "published": published, "host_ip": "::1", "protocol": "tcp"}]}).ports[0]
    assert (port.number, port.target, port.host) == (number, 80, "::1")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("no", Restart.NO),
        ("always", Restart.ALWAYS),
        ("unless-stopped", Restart.ALWAYS),
        ("on-failure:3", Restart.ON_FAILURE),
        ("on-failure", Restart.ON_FAILURE),
    ],
)
def test_restart_is_mapped_when_compose_says_it(word: str, expected: Restart) -> None:
    """Compose's words become ours."""
    assert one({"restart": word}).restart is expected


def test_stop_is_taken_when_it_is_declared() -> None:
    """Signal and grace come from the file, else the defaults hold."""
    assert one({"stop_signal": "SIGINT", "stop_grace_period": "1m30s"}).stop == Stop(signal="INT", grace_s=90.0)
    assert one({}).stop == Stop()


def test_health_is_taken_when_it_is_declared() -> None:
    """A disabled one says so."""
    assert run_of(one({"healthcheck": {"test": ["CMD", "x"]}})).health == HealthCommand(test=("CMD", "x"))
    assert run_of(one({"healthcheck": {"disable": True}})).health == HealthCommand(test=("NONE",))
    assert run_of(one({})).health is None


def test_hash_changes_when_the_definition_or_what_it_uses_does() -> None:
    """Edges and foreign resources do not count."""
    service = {"networks": {"n": None}}
    first = run_of(one(service, networks={"n": {"name": "x"}})).spec_hash
    assert first == run_of(one({**service, "depends_on": {}}, networks={"n": {"name": "x"}, "m": {}})).spec_hash
    assert first != run_of(one(service, networks={"n": {"name": "y"}})).spec_hash
    assert first != run_of(one({**service, "tty": True}, networks={"n": {"name": "x"}})).spec_hash


def test_dependencies_keep_composes_meaning_when_it_gives_them(folder: Folder) -> None:
    """A list in a Compose file means started; conditions are mapped."""
    services = folder.load(
        "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i}\n"
        "  c: {image: i, depends_on: {a: {condition: service_healthy}, "
        "b: {condition: service_completed_successfully}}}",
        name="compose.yaml",
    ).services
    assert [edge.condition for edge in services["a"].depends_on] == [Condition.STARTED]
    assert [edge.condition for edge in services["c"].depends_on] == [Condition.READY, Condition.COMPLETED]
    mark = services["a"].depends_on[0].mark
    assert mark
    assert (mark.line, mark.column) == (2, 30)


@pytest.mark.parametrize(
    ("text", "environment", "project", "name"),
    [
        (BASE, {}, None, "shop"),
        (f"name: From.File\n{BASE}", {}, None, "fromfile"),
        (f"name: x\n{BASE}", {"COMPOSE_PROJECT_NAME": "env"}, None, "env"),
        (f"name: x\n{BASE}", {"COMPOSE_PROJECT_NAME": "env"}, "line", "line"),
    ],
)
def test_project_is_named_by_composes_rules(
    folder: Folder, text: str, environment: dict[str, str], project: str | None, name: str
) -> None:
    """`-p`, COMPOSE_PROJECT_NAME, `name:`, the folder."""
    folder.environment.update(environment)
    stack = folder.load(text, name="compose.yaml", project=project)
    assert stack.compose
    assert (stack.name, stack.compose.name) == (name, name)


def test_override_file_is_laid_over_when_it_is_there(folder: Folder) -> None:
    """Ports are joined, variables merged, the command replaced."""
    folder.write("compose.override.yaml", "services: {a: {command: y, ports: ['2:2'], environment: [B=2]}}")
    stack = folder.load(
        "services: {a: {image: i, command: x, ports: ['1:1'], environment: {A: 1, B: 1}}}", name="compose.yaml"
    )
    run = run_of(stack.services["a"])
    assert (run.command, run.environment) == (("y",), {"A": "1", "B": "2"})
    assert [port.number for port in stack.services["a"].ports] == [1, 2]
    assert stack.compose
    assert [name.rpartition("/")[2] for name in stack.compose.files] == ["compose.yaml", "compose.override.yaml"]


def test_compose_file_variable_chooses_the_files_when_it_is_set(folder: Folder) -> None:
    """Also from .env."""
    folder.write("one.yml", BASE)
    folder.write("two.yml", "services: {b: {image: i}}")
    folder.write(".env", "COMPOSE_FILE=one.yml:two.yml\n")
    assert list(folder.load("services: {c: {image: i}}", name="compose.yaml").services) == ["a", "b"]


def test_profiles_choose_services_when_compose_has_them(folder: Folder) -> None:
    """As with `docker compose --profile`."""
    text = "services: {a: {image: i}, b: {image: i, profiles: [p]}}"
    assert list(folder.load(text, name="compose.yaml").services) == ["a"]
    assert list(folder.load(text, name="compose.yaml", profiles=("p",)).services) == ["a", "b"]


def test_entry_adds_to_the_compose_service_of_its_name(folder: Folder) -> None:
    """A gate, edges, what to do about its port."""
    folder.write("c.yml", "services: {db: {image: i, ports: ['5432:5432'], depends_on: [x]}, x: {image: i}}")
    db = folder.load(
        "compose: c.yml\nservices:\n  db: {ready: {tcp: true, timeout: 5s}, ports: {port: 5432, on_conflict: move},\n"
        "    depends_on: {a: started}, restart: always}\n  a: {command: x}"
    ).services["db"]
    assert (db.kind, len(db.probes), db.ready_timeout_s, db.restart) == ("container", 1, 5.0, Restart.ALWAYS)
    assert [port.on_conflict for port in db.ports] == [OnConflict.MOVE]
    assert [(edge.service, edge.condition) for edge in db.depends_on] == [
        ("x", Condition.STARTED),
        ("a", Condition.STARTED),
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            "environment: {A: 1}",
            "services.yaml:2:17: environment of a Compose service belongs into its Compose file",
        ),
        (
            "ports: [80]",
            "services.yaml:2:25: the Compose file does not publish port 80 of db (it publishes 5432)",
        ),
        (
            "ports: [5432]",
            (
                "services.yaml:2:25: port 5432 comes from the Compose file; here only on_conflict can be set for it "
                "[{port: 5432, on_conflict: move}]"
            ),
        ),
        (
            "command: x",
            'services.yaml:2:12: "db" is also a service of c.yml; rename one, or leave out command to add to it',
        ),
    ],
)
def test_mistake_is_said_when_an_entry_cannot_add_that(folder: Folder, entry: str, expected: str) -> None:
    """An entry adds only what Compose has no word for."""
    folder.write("c.yml", "services: {db: {image: i, ports: ['5432:5432']}}")
    assert folder.lines(f"compose: c.yml\nservices: {{db: {{{entry}}}}}") == [expected]


def test_near_name_is_hinted_when_no_compose_file_has_the_entry(folder: Folder) -> None:
    """A mistyped name of a Compose service is found."""
    folder.write("c.yml", "services: {postgres: {image: i}}")
    found = folder.lines("compose: c.yml\nservices:\n  postgrse: {ready: {tcp: true}}")
    assert len(found) == 1
    assert found[0].startswith("services.yaml:3:3: postgrse has no command, task or external, and no Compose file")
    assert found[0].endswith('[did you mean "postgres"?]')


def test_both_lines_are_named_when_a_process_takes_a_published_port(folder: Folder) -> None:
    """One of them stands in the Compose file."""
    folder.write("c.yml", "services:\n  db: {image: i, ports: ['127.0.0.1:5432:5432']}")
    assert folder.lines("compose: c.yml\nservices: {a: {command: x, ports: [5432]}}") == [
        "services.yaml:2:36: port 5432 of a is also taken by db at c.yml:2"
    ]


def test_disabled_compose_service_is_named_when_something_depends_on_it(folder: Folder) -> None:
    """The profile that would help is said."""
    folder.write("c.yml", "services: {db: {image: i, profiles: [data]}}")
    assert folder.lines("compose: c.yml\nservices:\n  a: {command: x, depends_on: [db]}") == [
        "services.yaml:3:32: a depends on db, which is disabled: profile data is not active; add --profile data"
    ]


def test_entry_of_a_disabled_compose_service_is_left_out(folder: Folder) -> None:
    """Adding to it is no mistake."""
    folder.write("c.yml", "services: {db: {image: i, profiles: [data]}}")
    assert list(folder.load("compose: c.yml\nservices: {a: {command: x}, db: {ready: {tcp: 1}}}").services) == ["a"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            'service "a" depends on undefined service "q": invalid compose project',
            'compose.yaml:3:35: a depends on "q", which is not defined',
        ),
        (
            'service "a" depends on undefined service off: invalid compose project',
            "compose.yaml:2:3: a depends on off, which is disabled: profile p is not active; add --profile p",
        ),
        (
            "validating /x/compose.yaml: services.a Additional property imag is not allowed",
            'compose.yaml:2:3: the key "imag" is unknown to Compose [did you mean "image"?]',
        ),
        ("yaml: line 4: did not find expected key", "compose.yaml:4:1: did not find expected key"),
        (
            "error while interpolating services.a.image: required variable X is missing a value: need x",
            "compose.yaml:3:8: services.a.image: required variable X is missing a value: need x",
        ),
        ("something new", "compose.yaml:1:1: something new"),
    ],
)
def test_dockers_words_get_a_place_when_it_refuses_a_file(folder: Folder, said: str, expected: str) -> None:
    """One message of `docker compose config` is one mistake at the best place."""

    def refuse(**_: object) -> Mapping[str, object]:
        raise ConfigError("cannot read the Compose files", why=f'time="x" level=warning msg="y"\n{said}')

    folder.read_compose = refuse
    text = "services:\n  a:\n    {  image: i, depends_on: {    q: {}}}\n  off: {image: i, profiles: [p]}\n"
    found = folder.lines(text, name="compose.yaml")
    assert found == [expected]


def test_other_mistakes_are_still_said_when_docker_refuses_a_file(folder: Folder) -> None:
    """Names in broken Compose files are known, so nothing is blamed for them."""

    def refuse(**_: object) -> Mapping[str, object]:
        raise ConfigError("cannot read the Compose files", why="bad")

    folder.read_compose = refuse
    folder.write("c.yml", "services: {db: {image: i}}")
    assert folder.lines("compose: c.yml\nservices:\n  a: {command: 'x ${db.port}', depends_on: [db, q]}") == [
        'services.yaml:3:49: a depends on "q", which is not defined',
        "c.yml:1:1: bad",
    ]


def test_reader_is_asked_with_everything_when_docker_is_there(folder: Folder) -> None:
    """Files, folder, project, profiles and env files reach `docker compose config`."""
    asked: dict[str, object] = {}

    def answer(**question: object) -> Mapping[str, object]:
        asked.update(question)
        return {"name": "shop", "services": {"db": {"image": "i"}}, "x-devenv-warnings": ["beware"]}

    folder.read_compose = answer
    folder.write("sub/c.yml", "services: {db: {image: i}}")
    folder.write("sub/.env", "X=1")
    folder.write(".env", "Y=1")
    folder.write("e.env", "Z=1")
    folder.environment |= {"HOME": "/h", "COMPOSE_FILE": "never.yml"}
    stack = folder.load(
        "name: The Shop\ncompose: sub/c.yml\nenv_file: e.env\nservices: {a: {command: x, depends_on: [db]}}",
        profiles=("p",),
    )
    at = str(folder.path)
    assert asked == {
        "files": (f"{at}/sub/c.yml",),
        "directory": f"{at}/sub",
        "project": "theshop",
        "profiles": ("p",),
        "env_files": (f"{at}/sub/.env", f"{at}/.env", f"{at}/e.env"),
        "environment": {"HOME": "/h"},
    }
    assert stack.compose
    assert (stack.compose.model, stack.notes) == (
        {"name": "shop", "services": {"db": {"image": "i"}}},
        ("beware", "no service has the profile p"),
    )
