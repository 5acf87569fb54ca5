"""Each mistake that services.yaml can hold, with its place and words."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Folder

A = "services:\n  a: {command: x}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "nmae: x\nservices: {a: {command: x}}",
            'services.yaml:1:1: the key "nmae" is unknown [did you mean "name"?]',
            id="unknown key of the stack",
        ),
        pytest.param(
            "services:\n  a:\n    command: x\n    depend_on: [b]",
            'services.yaml:4:5: the key "depend_on" is unknown [did you mean "depends_on"?]',
            id="unknown key of a service",
        ),
        pytest.param(
            "services:\n  a: {command: x, zzz: 1}",
            'services.yaml:2:19: the key "zzz" is unknown [known here: cache, command, depends_on, env, env_file, '
            "environment, external, import, ports, profiles, ready, restart, schema, stop, task, working_dir]",
            id="unknown key that resembles none",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [{port: 1, on_conflct: move}]}",
            'services.yaml:2:37: the key "on_conflct" is unknown [did you mean "on_conflict"?]',
            id="unknown key of a port",
        ),
        pytest.param(
            "services:\n  a: {command: x, stop: {sig: TERM}}",
            'services.yaml:2:26: the key "sig" is unknown [did you mean "signal"?]',
            id="unknown key of stop",
        ),
        pytest.param(
            f"{A}  b: {{command: x, depends_on: {{a: {{conditon: ready}}}}}}",
            'services.yaml:3:36: the key "conditon" is unknown [did you mean "condition"?]',
            id="unknown key of a dependency",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {http: /h, stats: 200}}",
            'services.yaml:2:37: the key "stats" is unknown [did you mean "status"?]',
            id="unknown option of a probe",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {htp: /h}}",
            'services.yaml:2:27: "htp" is no kind of probe [did you mean "http"?]',
            id="unknown kind of probe",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {http: /h, tcp: 80}}",
            "services.yaml:2:37: one probe cannot be http and tcp; write a list of two",
            id="two kinds in one probe",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: yes}",
            'services.yaml:2:26: ready must be a probe such as {http: /health}, not "yes"',
            id="probe that is text",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {tcp: [1]}}",
            "services.yaml:2:32: tcp must be true or false or a number or text, not a list",
            id="probe's value of a wrong type",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {log: '('}}",
            "services.yaml:2:32: log is no regular expression: missing ), unterminated subpattern at position 0",
            id="bad regular expression",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {http: /h, timeout: soon}}",
            'services.yaml:2:46: "soon" is not a duration; write 30s, 1m30s or 500ms',
            id="bad duration of ready",
        ),
        pytest.param(
            "services:\n  a: {command: x, ready: {http: /h, timeout: 0}}",
            "services.yaml:2:46: timeout must be longer than 0",
            id="no time to become ready",
        ),
        pytest.param(
            "services:\n  a: {command: x, stop: {grace: 10 parsecs}}",
            'services.yaml:2:33: "10 parsecs" is not a duration; write 30s, 1m30s or 500ms',
            id="bad duration of stop",
        ),
        pytest.param(
            "services:\n  a: {command: x, stop: {signal: TREM}}",
            'services.yaml:2:34: "TREM" is not a signal; write TERM, INT, HUP, QUIT or KILL; did you mean "TERM"?',
            id="bad signal",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: 0}",
            "services.yaml:2:26: 0 is not a port: ports are 1 to 65535, or auto for a free one",
            id="port 0",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [1, 70000]}",
            "services.yaml:2:30: 70000 is not a port: ports are 1 to 65535",
            id="port above 65535",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [22:22]}",
            'services.yaml:2:27: "22:22" maps a port as for a container; a process listens itself, so write 22',
            id="22:22 is read as written",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: on}",
            'services.yaml:2:26: "on" is not a port; write 8000, "8000-8003" or auto',
            id="on is read as written",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [8003-8000]}",
            "services.yaml:2:27: the range 8003-8000 ends before it begins",
            id="range backwards",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: ['host:80']}",
            'services.yaml:2:27: "host" is not an address of this machine; write 127.0.0.1',
            id="port with a name for an address",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [{port: 1, protocol: tpc}]}",
            'services.yaml:2:27: protocol must be one of tcp, udp; not "tpc"; did you mean "tcp"?',
            id="unknown protocol",
        ),
        pytest.param(
            "services:\n  a: {command: x, restart: onfailure}",
            "services.yaml:2:28: restart must be one of no, on-failure, always, never, unless-stopped; not "
            '"onfailure"; did you mean "on-failure"?',
            id="unknown restart",
        ),
        pytest.param(
            f"{A}  b: {{command: x, depends_on: {{a: redy}}}}",
            "services.yaml:3:35: condition must be one of ready, healthy, service_healthy, started, service_started, "
            'completed, service_completed_successfully; not "redy"; did you mean "ready"?',
            id="unknown condition",
        ),
        pytest.param(
            f"{A}  b: {{command: x, depends_on: {{a: {{required: perhaps}}}}}}",
            'services.yaml:3:46: required must be true or false, not "perhaps"',
            id="required that is no flag",
        ),
        pytest.param(
            "services:\n  a: {command: {x: y}}",
            "services.yaml:2:16: command must be a command (text, or a list of program and arguments), not a mapping",
            id="command that is a mapping",
        ),
        pytest.param(
            "services:\n  a: {command: }", "services.yaml:2:7: command is empty", id="command without a value"
        ),
        pytest.param(
            "services:\n  a: {command: ' '}",
            "services.yaml:2:16: command is empty: there is nothing to run",
            id="command of blanks",
        ),
        pytest.param(
            "services:\n  a: {command: x, environment: 5}",
            "services.yaml:2:32: environment must be a mapping of variables or a list of KEY=value, not the number 5",
            id="environment that is a number",
        ),
        pytest.param(
            "services:\n  a: {command: x, environment: {A: [1]}}",
            "services.yaml:2:32: the value of A must be text, not a list",
            id="variable that is a list",
        ),
        pytest.param(
            "services: [a]",
            "services.yaml:1:11: must be a mapping of services, not a list",
            id="services that are a list",
        ),
        pytest.param(
            "services:\n  a: x",
            'services.yaml:2:6: must be a mapping of keys to values, not "x"',
            id="service that is text",
        ),
        pytest.param(
            "- a", "services.yaml:1:1: must be a mapping with the key services, not a list", id="file that is a list"
        ),
        pytest.param("name: x", "services.yaml:1:1: defines no services", id="no services"),
        pytest.param(
            "name: a b!\nservices: {a: {command: x}}",
            'services.yaml:1:7: "a b!" is not a name: use letters, digits, "_", "-" and ".", a letter or digit first',
            id="bad name of the stack",
        ),
        pytest.param(
            "services:\n  a b: {command: x}",
            'services.yaml:2:3: "a b" is not a service name: use letters, digits, "_" and "-", a letter or digit first',
            id="bad name of a service",
        ),
        pytest.param(
            "services:\n  a: {command: x, task: y}",
            "services.yaml:2:19: a has command and task; a service runs in one way",
            id="two ways to run",
        ),
        pytest.param(
            "services:\n  a: {ports: [1]}",
            "services.yaml:2:3: a has no command, task or external, and no Compose file has a service of that name; "
            "is the Compose file missing under compose:?",
            id="no way to run",
        ),
        pytest.param(
            "services:\n  a: {external: 127.0.0.1}",
            "services.yaml:2:17: '127.0.0.1' names nothing to check: give http://, tcp://host:port, "
            "redis:// or a database's URL",
            id="external that is no URL",
        ),
        pytest.param(
            "services:\n  a: {external: 'http://x', ports: [1]}",
            "services.yaml:2:29: what runs elsewhere has no ports here; its URL holds its port",
            id="external with ports",
        ),
        pytest.param(
            "services:\n  a: {command: x, working_dir: nowhere}",
            "services.yaml:2:32: the folder nowhere does not exist",
            id="missing working_dir",
        ),
        pytest.param(
            "services:\n  a: {command: x, env_file: [none.env]}",
            "services.yaml:2:30: the env file none.env does not exist",
            id="missing env_file of a service",
        ),
        pytest.param(
            f"env_file: none.env\n{A}",
            "services.yaml:1:11: the env file none.env does not exist",
            id="missing env_file",
        ),
        pytest.param(
            f"compose: [none.yml]\n{A}",
            "services.yaml:1:11: the Compose file none.yml does not exist",
            id="missing Compose file",
        ),
        pytest.param(
            f"engine: podman\n{A}",
            'services.yaml:1:9: engine must be one of auto, docker, embedded; not "podman"',
            id="unknown engine",
        ),
    ],
)
def test_mistake_is_said_when_a_key_is_wrong(folder: Folder, text: str, expected: str) -> None:
    """One mistake gives one line with its place."""
    assert folder.lines(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "services:\n  api: {command: x}\n  b: {command: x, depends_on: [aip]}",
            'services.yaml:3:32: b depends on "aip", which is not defined [did you mean "api"?]',
            id="undefined dependency",
        ),
        pytest.param(
            "services:\n  a: {command: x, depends_on: [a]}", "services.yaml:2:32: a depends on itself", id="itself"
        ),
        pytest.param(
            "services:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: {c: ready}}\n"
            "  c: {command: x, depends_on: [a]}",
            "services.yaml:2:32: the services depend on each other in a circle: a -> b -> c -> a",
            id="cycle at its first edge",
        ),
        pytest.param(
            f"{A}  b: {{command: x, depends_on: {{a: completed}}}}",
            "services.yaml:3:32: a is no task and never completes; wait until it is ready, or make it a task",
            id="completed on a process",
        ),
        pytest.param(
            f"{A}  b: {{command: x, profiles: [p]}}\n  c: {{command: x, depends_on: [b]}}",
            "services.yaml:4:32: c depends on b, which is disabled: profile p is not active; add --profile p",
            id="disabled dependency",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [8000]}\n  b: {command: x, ports: [8000-8001]}",
            "services.yaml:3:27: port 8000 of b is also taken by a at services.yaml:2",
            id="two on one port",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: ['127.0.0.1:80']}\n  b: {command: x, ports: ['0.0.0.0:80']}",
            "services.yaml:3:27: port 80 of b is also taken by a at services.yaml:2",
            id="all addresses overlap with each",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [80/udp]}\n  b: {command: x, ports: [80/udp]}",
            "services.yaml:3:27: port 80 (udp) of b is also taken by a at services.yaml:2",
            id="two on one udp port",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [80, 80]}",
            "services.yaml:2:31: port 80 of a is listed twice, first at services.yaml:2",
            id="one port twice",
        ),
        pytest.param(
            "services:\n  api: {command: x, ports: [1]}\n  b: {command: 'x ${aip.port}'}",
            'services.yaml:3:16: ${aip.port}: there is no service "aip" [did you mean "api"?]',
            id="reference to nothing",
        ),
        pytest.param(
            f"{A}  b: {{command: 'x ${{a.url}}'}}",
            "services.yaml:3:16: ${a.url}: a has no ports [give it ports, such as ports: [auto]]",
            id="reference to a service without ports",
        ),
        pytest.param(
            f"{A}  b: {{command: 'x ${{a.host}}'}}",
            'services.yaml:3:16: "${a.host}" is no value of a service: there are ${a.port} and ${a.url}',
            id="reference to an unknown value",
        ),
        pytest.param(
            f"{A}  b: {{command: x, ports: [1], profiles: p}}\n  c: {{command: '${{b.port}}'}}",
            "services.yaml:4:16: ${b.port}: b is disabled: profile p is not active; add --profile p",
            id="reference to a disabled service",
        ),
        pytest.param(
            "services:\n  a: {command: x, ports: [1], working_dir: '${a.port}'}",
            "services.yaml:2:44: working_dir cannot refer to the port or URL of a service here",
            id="reference where none can be",
        ),
    ],
)
def test_mistake_is_said_when_services_do_not_fit(folder: Folder, text: str, expected: str) -> None:
    """What does not hold between services is said at the text that is to be changed."""
    assert folder.lines(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "services.yaml:1:1: is empty", id="empty"),
        pytest.param("# only\n", "services.yaml:1:1: is empty", id="comments only"),
        pytest.param(
            "services:\n  a: {command: x}\n  a: {command: y}",
            'services.yaml:3:3: the key "a" is given twice; the first is in line 2',
            id="duplicate key",
        ),
        pytest.param(
            f"{A}---\nb: 1", "services.yaml:3:1: holds a second YAML document; only one is allowed", id="two documents"
        ),
        pytest.param(
            "services:\n\ta: {command: x}",
            "services.yaml:2:1: is not valid YAML: while scanning for the next token, found character that cannot "
            "start any token [YAML indents with spaces, not with tabs]",
            id="tab",
        ),
        pytest.param(
            "services: {a: [",
            "services.yaml:1:16: is not valid YAML: while parsing a flow node, did not find expected node content",
            id="open bracket",
        ),
        pytest.param("services: !x {}", "services.yaml:1:11: the tag !x means nothing here", id="own tag"),
        pytest.param(
            "services: *a", "services.yaml:1:11: *a refers to an anchor that is not defined above", id="anchor"
        ),
        pytest.param("services: &a [*a]", "services.yaml:1:15: *a contains itself", id="anchor in itself"),
        pytest.param(
            "a: \x00", "services.yaml:1:4: is not a text file: it holds the control character 0x00", id="binary"
        ),
        pytest.param(
            "a: " + "[" * 70, "services.yaml:1:63: is nested more than 60 levels deep", id="nested without end"
        ),
    ],
)
def test_mistake_is_said_when_the_text_is_wrong(folder: Folder, text: str, expected: str) -> None:
    """What is wrong as YAML has its line."""
    assert expected in folder.lines(text)


def test_mistake_is_said_when_the_file_is_not_utf8(folder: Folder) -> None:
    """The line of the first wrong byte is named."""
    (folder.path / "services.yaml").write_bytes(b"name: x\nservices: {a: {command: \xff}}")
    assert folder.lines() == ["services.yaml:2:25: is not UTF-8 text from here on"]


def test_mistakes_all_come_at_once_when_there_are_many(folder: Folder) -> None:
    """Mistakes of keys, values, files and the graph stand in one answer, in the order of lines."""
    found = folder.lines(
        "nam: x\n"
        "services:\n"
        "  a: {command: x, ports: [0, 8000], depends_on: [b]}\n"
        "  b: {comand: x, ports: [8000], depends_on: {a: ready, q: ready}, ready: {htp: /}}\n"
        "  c: {command: '${NO:?set it}', working_dir: gone, env_file: gone.env}\n"
    )
    assert [line.split(": ")[0] for line in found] == [
        "services.yaml:1:1",
        "services.yaml:3:27",
        "services.yaml:3:50",
        "services.yaml:4:7",
        "services.yaml:4:26",
        "services.yaml:4:56",
        "services.yaml:4:75",
        "services.yaml:5:16",
        "services.yaml:5:46",
        "services.yaml:5:62",
    ]


def test_source_is_the_offending_line_when_there_is_one(folder: Folder) -> None:
    """A mistake carries the text of its line."""
    assert folder.mistakes("services:\n  a: {comand: x}  ")[0].source == "  a: {comand: x}"


def test_file_is_absolute_when_it_lies_outside(folder: Folder) -> None:
    """A file above the current folder is not shown as if it were inside."""
    folder.write("services.yaml", "a: 1")
    below = folder.path / "below"
    below.mkdir()
    inner = Folder(below)
    assert inner.mistakes()[0].file == str(folder.path / "services.yaml")


def test_variable_is_asked_for_when_it_is_required(folder: Folder) -> None:
    """The message after `:?` is part of the mistake."""
    assert folder.lines("services:\n  a: {command: 'x ${KEY:?from the vault}'}") == [
        "services.yaml:2:16: the required variable KEY is not set: from the vault"
    ]
