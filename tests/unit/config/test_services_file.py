"""What services.yaml means: forms of keys, defaults, variables, environments, profiles."""

from __future__ import annotations

import pytest

from devenv.domain.model import (
    Condition,
    EngineChoice,
    ExternalRun,
    OnConflict,
    Port,
    ProcessRun,
    Restart,
    Stop,
    TaskRun,
    Transport,
)
from devenv.domain.references import resolve
from devenv.probes.exec import Exec
from devenv.probes.http import Http
from devenv.probes.tcp import Tcp
from tests.unit.config.conftest import Folder, environment_of


def ports_of(folder: Folder, text: str) -> list[tuple[int | None, str, Transport, OnConflict]]:
    """Return a service's ports without their places."""
    ports = folder.load(f"services:\n  a: {{command: x, ports: {text}}}").services["a"].ports
    return [(port.number, port.host, port.transport, port.on_conflict) for port in ports]


TCP, UDP, ASK = Transport.TCP, Transport.UDP, OnConflict.ASK


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8000", [(8000, "", TCP, ASK)]),
        ("[8000]", [(8000, "", TCP, ASK)]),
        ("['8000']", [(8000, "", TCP, ASK)]),
        ("8000-8003", [(number, "", TCP, ASK) for number in (8000, 8001, 8002, 8003)]),
        ("'127.0.0.1:8000'", [(8000, "127.0.0.1", TCP, ASK)]),
        ("'localhost:8000'", [(8000, "127.0.0.1", TCP, ASK)]),
        ("'[::1]:8000'", [(8000, "::1", TCP, ASK)]),
        ("auto", [(None, "", TCP, ASK)]),
        ("[auto, 53/udp]", [(None, "", TCP, ASK), (53, "", UDP, ASK)]),
        ("{port: 8000, on_conflict: move}", [(8000, "", TCP, OnConflict.MOVE)]),
        ("{port: 1-2, host: 127.0.0.2, protocol: udp}", [(1, "127.0.0.2", UDP, ASK), (2, "127.0.0.2", UDP, ASK)]),
    ],
)
def test_ports_are_read_when_given_in_any_form(folder: Folder, text: str, expected: list[object]) -> None:
    """Each form of `ports` is understood."""
    assert ports_of(folder, text) == expected


def test_ports_keep_their_places_when_they_are_read(folder: Folder) -> None:
    """The mark of a port is where it stands in the file."""
    port = folder.load("services:\n  a:\n    command: x\n    ports: [80, 81]").services["a"].ports[1]
    assert port.mark
    assert (port.mark.file, port.mark.line, port.mark.column) == (str(folder.path / "services.yaml"), 4, 17)


@pytest.mark.parametrize(
    ("ports", "others"),
    [("['127.0.0.1:80']", "['127.0.0.2:80']"), ("[80/udp]", "[80]"), ("[auto]", "[auto]")],
)
def test_ports_do_not_clash_when_they_can_be_held_together(folder: Folder, ports: str, others: str) -> None:
    """Two addresses, two protocols and two `auto` are no conflict."""
    assert folder.load(f"services:\n  a: {{command: x, ports: {ports}}}\n  b: {{command: x, ports: {others}}}")


def test_defaults_hold_when_little_is_said(folder: Folder) -> None:
    """A command alone runs in the file's folder, once, with 60 s to become ready."""
    service = folder.load("services: {a: {command: serve --it}}").services["a"]
    assert service.run == ProcessRun(argv=("/bin/sh", "-c", "serve --it"), working_dir=str(folder.path))
    assert (service.ready_timeout_s, service.restart, service.stop, service.probes) == (60.0, Restart.NO, Stop(), ())


def test_stack_is_named_after_its_folder_when_it_has_no_name(folder: Folder) -> None:
    """Without `name:` the folder gives it."""
    stack = folder.load("services: {a: {command: x}}")
    assert (stack.name, stack.root, stack.engine) == ("shop", str(folder.path), EngineChoice.AUTO)


def test_name_is_the_command_lines_when_it_gives_one(folder: Folder) -> None:
    """`-p` wins over the file."""
    assert folder.load("name: x\nservices: {a: {command: x}}", project="other").name == "other"


def test_argv_is_kept_when_the_command_is_a_list(folder: Folder) -> None:
    """A list runs without a shell, numbers in it as they are written."""
    run = folder.load("services: {a: {command: [serve, -p, 0080, 1.10, true]}}").services["a"].run
    assert isinstance(run, ProcessRun)
    assert run.argv == ("serve", "-p", "0080", "1.10", "true")


def test_task_and_external_are_read_when_given(folder: Folder) -> None:
    """The other two ways to run."""
    services = folder.load("services: {t: {task: x}, e: {external: 'https://h:1/x'}}").services
    assert isinstance(services["t"].run, TaskRun)
    assert services["e"].run == ExternalRun(url="https://h:1/x")


def test_conditions_are_read_when_spelled_in_any_way(folder: Folder) -> None:
    """Compose's words and the short ones mean the same."""
    words = {
        "ready": Condition.READY,
        "healthy": Condition.READY,
        "service_healthy": Condition.READY,
        "started": Condition.STARTED,
        "service_started": Condition.STARTED,
        "completed": Condition.COMPLETED,
        "service_completed_successfully": Condition.COMPLETED,
    }
    for word, condition in words.items():
        stack = folder.load(f"services: {{t: {{task: x}}, a: {{command: x, depends_on: {{t: {word}}}}}}}")
        assert stack.services["a"].depends_on[0].condition is condition, word


def test_list_of_dependencies_waits_for_ready_and_for_tasks_to_complete(folder: Folder) -> None:
    """The list form has the condition that fits."""
    edges = folder.load("services: {t: {task: x}, b: {command: x}, a: {command: x, depends_on: [t, b]}}").services["a"]
    assert [(edge.service, edge.condition) for edge in edges.depends_on] == [
        ("t", Condition.COMPLETED),
        ("b", Condition.READY),
    ]


def test_dependency_is_dropped_when_it_is_disabled_and_not_required(folder: Folder) -> None:
    """`required: false` on a service of another profile is no mistake and no edge."""
    text = "services: {b: {command: x, profiles: [p]}, a: {command: x, depends_on: {b: {required: false}}}}"
    assert folder.load(text).services["a"].depends_on == ()
    assert [edge.service for edge in folder.load(text, profiles=("p",)).services["a"].depends_on] == ["b"]


def test_services_take_part_when_a_profile_of_theirs_is_chosen(folder: Folder) -> None:
    """Only enabled services are in the stack."""
    text = "services: {a: {command: x, profiles: [p, q]}, b: {command: x}}"
    assert list(folder.load(text).services) == ["b"]
    assert list(folder.load(text, profiles=("q",)).services) == ["a", "b"]
    folder.environment["COMPOSE_PROFILES"] = "x,p"
    assert list(folder.load(text).services) == ["a", "b"]


def test_note_is_made_when_nobody_has_a_chosen_profile(folder: Folder) -> None:
    """A mistyped profile is said."""
    stack = folder.load("services: {a: {command: x, profiles: backend}, b: {command: x}}", profiles=("bakend",))
    assert stack.notes == ('no service has the profile bakend; did you mean "backend"?',)


def test_probes_are_built_when_ready_is_given(folder: Folder) -> None:
    """One mapping or a list of them; `timeout` is the service's."""
    service = folder.load(
        "services: {a: {command: x, ready: [{http: /h, status: 204, headers: {X: 1}, timeout: 1m30s}, {tcp: true}, "
        "{exec: [pg, -q]}]}}"
    ).services["a"]
    assert service.probes == (
        Http(value="/h", status=204, headers={"X": "1"}),
        Tcp(value=True),
        Exec(value=("pg", "-q")),
    )
    assert service.ready_timeout_s == 90.0


def test_timeout_is_taken_when_it_stands_alone(folder: Folder) -> None:
    """The default probe may get more time."""
    service = folder.load("services: {a: {command: x, ready: {timeout: 5m}}}").services["a"]
    assert (service.probes, service.ready_timeout_s) == ((), 300.0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("7", 7), ("1.5", 1.5), ("2h", 7200), ("0", 0)]
)
def test_duration_is_read_when_written_in_any_form(folder: Folder, text: str, seconds: float) -> None:
    """Units may be joined; a bare number is seconds."""
    stop = folder.load(f"services: {{a: {{command: x, stop: {{grace: {text}, signal: SIGINT}}}}}}").services["a"].stop
    assert stop == Stop(signal="INT", grace_s=seconds)


def test_environment_is_layered_when_several_places_give_it(folder: Folder) -> None:
    """Stack, its env_file, the service's env_file, the service: the last one wins."""
    folder.write("all.env", "A=2\nB=2\nC=2\n")
    folder.write("own.env", "B=3\nC=3\n")
    stack = folder.load(
        "environment: {A: 1, B: 1, C: 1, D: 1}\nenv_file: all.env\n"
        "services: {a: {command: x, env_file: own.env, environment: {C: 4}}}"
    )
    assert environment_of(stack, "a") == {"A": "2", "B": "3", "C": "4", "D": "1"}


def test_environment_keeps_what_was_written_when_it_looks_like_a_number(folder: Folder) -> None:
    """1.10 stays 1.10, and no becomes no."""
    stack = folder.load("services: {a: {command: x, environment: {A: 1.10, B: 0x1F, C: no, D: true, E: 012}}}")
    assert environment_of(stack, "a") == {"A": "1.10", "B": "0x1F", "C": "no", "D": "true", "E": "012"}


def test_variable_without_value_is_the_users_when_they_have_it(folder: Folder) -> None:
    """`KEY` alone passes the user's value on, and nothing where there is none."""
    folder.environment["MINE"] = "a$b"
    stack = folder.load("services: {a: {command: x, environment: [MINE, OTHER, K=v]}}")
    assert environment_of(stack, "a") == {"MINE": "a$$b", "K": "v"}


def test_variables_come_from_the_user_then_env_file_then_dotenv(folder: Folder) -> None:
    """The strongest source wins."""
    folder.write(".env", "A=dot\nB=dot\nC=dot\n")
    folder.write("x.env", "A=file\nB=file\n")
    folder.environment["A"] = "user"
    stack = folder.load("env_file: x.env\nservices: {a: {command: '${A} $B ${C}'}}")
    run = stack.services["a"].run
    assert isinstance(run, ProcessRun)
    assert run.argv[2] == "user file dot"
    assert [path.rpartition("/")[2] for path in stack.files] == ["services.yaml", ".env", "x.env"]


def test_note_is_made_when_a_plain_variable_is_not_set(folder: Folder) -> None:
    """It becomes empty, as with Compose, and that is said."""
    assert folder.load("services:\n  a: {command: 'x ${GONE}'}").notes == (
        "the variable GONE is not set and became empty (services.yaml:2)",
    )


def test_value_of_a_variable_is_never_read_as_a_reference(folder: Folder) -> None:
    """What a user has in a variable reaches the process as it is."""
    folder.environment["PASSWORD"] = "a${a.port}$$b"
    stack = folder.load("services: {a: {command: 'x ${PASSWORD} ${a.port} $$HOME', ports: [80]}}")
    run = resolve(stack.services["a"], stack.services).run
    assert isinstance(run, ProcessRun)
    assert run.argv[2] == "x a${a.port}$$b 80 $HOME"


def test_keys_are_never_interpolated(folder: Folder) -> None:
    """Only values hold variables."""
    stack = folder.load("services: {a: {command: x, environment: {$K: v}}}")
    assert environment_of(stack, "a") == {"$K": "v"}


def test_lone_dollar_stays_when_it_begins_nothing(folder: Folder) -> None:
    """A regular expression may end with `$`."""
    stack = folder.load("services: {a: {command: x, ready: {log: 'ready$'}}}")
    service = resolve(stack.services["a"], stack.services)
    assert service.probes[0].describe() == "log 'ready$'"


def test_merge_keys_and_anchors_work_when_used(folder: Folder) -> None:
    """`<<` brings keys that are not given."""
    stack = folder.load("services:\n  a: &a {command: x, ports: [1]}\n  b: {<<: *a, ports: [2]}")
    assert [port.number for port in stack.services["b"].ports] == [2]
    assert stack.services["b"].run == stack.services["a"].run


def test_engine_is_the_command_lines_when_it_gives_one(folder: Folder) -> None:
    """The file's choice counts without one."""
    assert folder.load("engine: embedded\nservices: {a: {command: x}}").engine is EngineChoice.EMBEDDED


def test_working_dir_may_hold_dollars(folder: Folder) -> None:
    """A folder with `$` in its name is found, and kept from being read as a reference."""
    (folder.path / "a$b").mkdir()
    run = folder.load("services: {a: {command: x, working_dir: a$$b}}").services["a"].run
    assert isinstance(run, ProcessRun)
    assert run.working_dir == f"{folder.path}/a$$b"


def test_port_defaults_are_those_of_the_domain() -> None:
    """A port that says nothing else asks before anything is stopped."""
    assert Port(number=1).on_conflict is OnConflict.ASK
