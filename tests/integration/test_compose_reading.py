"""The plain reader of Compose files against the real `docker compose config`, on the same files.

What is compared is what devenv uses: names, services, ports, variables, mounts, edges, health, commands, resources.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.adapters.engine.compose import read_compose
from devenv.config.compose.plain import PlainReader
from devenv.config.load import Request, load
from devenv.domain.errors import ConfigError

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/home/somebody", "OUTER": "outer"}
SERVICE_KEYS = frozenset(
    {
        *("image", "build", "command", "entrypoint", "environment", "ports", "volumes", "depends_on", "healthcheck"),
        *(
            "profiles",
            "restart",
            "stop_signal",
            "stop_grace_period",
            "networks",
            "secrets",
            "configs",
            "labels",
            "expose",
        ),
        *(
            "container_name",
            "extra_hosts",
            "dns",
            "tmpfs",
            "init",
            "user",
            "working_dir",
            "shm_size",
            "logging",
            "ulimits",
        ),
    }
)

PORTS = """
services:
  a:
    image: i
    ports:
      - "80"
      - "8080:80"
      - "127.0.0.1:9000-9002:90-92/udp"
      - "7000-7001"
      - "8000-8010:22"
      - "127.0.0.1::5000"
      - "[::1]:6000:60"
      - {target: 5, published: 55, host_ip: 127.0.0.1, protocol: udp}
      - {target: 6, published: "600-601", mode: host}
    expose: [1, "2-3"]
"""
VALUES = """
services:
  a:
    image: ${IMAGE:-busy}box:${TAG-latest}
    command: echo "a b" 'c d' $$HOME e\\ f
    entrypoint: [sh, -c, "$$0 ${OUTER}"]
    environment: {A: 1, B: true, C: 1.50, D: "x$$y", E: , OUTER: , F: "${DOT}/${NESTED:-${DOT:-z}}", G: 0x1F}
    labels: [one=1, two]
    healthcheck: {test: curl -f http://x, interval: 90s, timeout: 500ms, retries: 3, start_period: 1m}
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    restart: unless-stopped
    shm_size: 64m
    dns: 1.1.1.1
    tmpfs: /t
    extra_hosts: {h: 1.2.3.4}
    logging: {driver: json-file, options: {max-file: 3}}
    ulimits: {nofile: {soft: 1, hard: 2}}
    init: true
    user: "${NUMBER:-5}"
  b:
    image: i
    environment: [K=v, "L=${OUTER:+set}", M=a=b, N]
    healthcheck: {disable: true}
    command: []
"""
MOUNTS = """
services:
  a:
    build: {context: ./app, args: [K=v, OUTER, GONE], target: dev}
    volumes:
      - data:/data
      - ./src:/src:ro
      - ~/home:/h
      - ../up:/up:rw,z
      - /anonymous
      - data:/copy:nocopy
      - {type: bind, source: ./x, target: /x, read_only: true}
      - {type: tmpfs, target: /tmpfs, tmpfs: {size: 10m}}
    secrets: [token, {source: cert, target: /cert}]
    configs: [{source: conf, target: /conf}]
    networks: {front: {aliases: [x]}, back: }
  b: {image: i, build: ./b, network_mode: host}
networks: {front: {driver: bridge}, back: {name: backbone}, unused: {}}
volumes: {data: {driver_opts: {type: none}}, outside: {external: true}}
secrets: {token: {file: ./token}, cert: {external: true}}
configs: {conf: {file: ./conf.txt}}
"""
EDGES = """
name: Edgy
services:
  a: {image: i, depends_on: [b, c]}
  b:
    image: i
    depends_on: {c: {condition: service_healthy}, d: {condition: service_completed_successfully, required: false}}
  c: {image: i}
  d: {image: i}
  off: {image: i, profiles: [dev]}
  on: {image: i, profiles: [prod, dev2]}
"""
ENV_FILES = {
    "compose.yaml": """
services:
  a:
    image: i
    env_file: [one.env, {path: two.env, required: true}, {path: gone.env, required: false}]
    environment: {C: own}
""",
    "one.env": "A=1\nB='x $A'\nC=3\nexport D=\"q\\nr ${OUTER}\" # note\nOUTER\nGONE\n",
    "two.env": "A=2\nE=${A}\n",
}
OVERRIDE = {
    "compose.yaml": """
services:
  a:
    image: i
    command: one two
    ports: ["1:1", "2:2"]
    environment: {A: 1, B: 1}
    volumes: ["./x:/x", "./y:/y"]
    depends_on: [b]
    labels: [q=1]
    healthcheck: {test: [CMD, t], interval: 1s}
    dns: [1.1.1.1]
    networks: [one]
    secrets: [s]
    logging: {driver: x, options: {a: b}}
  b: {image: i, build: ./b, ports: ["9:9"], environment: {A: 1}}
networks: {one: , two: }
secrets: {s: {file: a}, t: {file: b}}
""",
    "compose.override.yaml": """
services:
  a:
    command: three
    ports: ["1:3", "2:2"]
    environment: [A=5, C=6]
    volumes: ["./z:/x", "vol:/v"]
    depends_on: {c: {condition: service_healthy}}
    labels: {q: 2, r: 3}
    healthcheck: {interval: 2s, retries: 4}
    dns: [1.1.1.1, 2.2.2.2]
    networks: {two: {aliases: [f]}}
    secrets: [t, s]
    logging: {driver: y, options: {c: d}}
  b: {build: !reset null, environment: !override {Z: 1}}
  c: {image: i}
volumes: {vol: }
""",
}
EXTENDS = {
    "compose.yaml": """
services:
  base: {image: i, environment: {A: base, B: base}, ports: ["1:1"], command: base}
  same: {extends: base, environment: {A: same}, ports: ["2:2"]}
  other:
    extends: {file: parts/base.yml, service: leaf}
    environment: {A: other}
    volumes: ["./mine:/mine"]
""",
    "parts/base.yml": """
services:
  root: {image: r, env_file: r.env, volumes: ["./data:/data"], labels: {x: root}}
  leaf: {extends: {service: root}, labels: {y: leaf}, environment: {L: "${OUTER}"}}
""",
    "parts/r.env": "R=from-file\nA=file\n",
}
INCLUDE = {
    "compose.yaml": """
include:
  - parts/one.yml
  - {path: [parts/two.yml], project_directory: ., env_file: two.env}
services:
  a: {image: i, depends_on: [one, two]}
""",
    "parts/.env": "INNER=dot\nOUTER=loses\n",
    "two.env": "INNER=two\n",
    "parts/one.yml": """
services:
  one: {image: "x:${INNER}-${OUTER}", volumes: ["./rel:/rel", "vol:/vol"], networks: [inner]}
networks: {inner: }
volumes: {vol: }
""",
    "parts/two.yml": """services: {two: {image: "x:${INNER}", build: ./ctx, volumes: ["./rel:/rel"]}}""",
}
ANCHORS = """
x-common: &common {image: i, environment: &env {A: 1, B: 2}, restart: always}
services:
  a: {<<: *common, environment: {<<: *env, B: 3}}
  b: {<<: [*common, {container_name: bee}], restart: "no"}
"""


def ask_docker(files: tuple[str, ...], folder: Path, profiles: tuple[str, ...], env_files: tuple[str, ...]) -> object:
    """Return what `docker compose config` prints."""
    command = ["docker", "compose", "--project-directory", str(folder)]
    command += [word for name in files for word in ("-f", name)]
    command += [word for name in profiles for word in ("--profile", name)]
    command += [word for name in env_files for word in ("--env-file", name)]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_plainly(
    files: tuple[str, ...], folder: Path, profiles: tuple[str, ...], env_files: tuple[str, ...]
) -> Mapping[str, object]:
    """Return what the plain reader makes of the same."""
    reader = PlainReader(start=str(folder), notes=[])
    try:
        return reader(
            files=files,
            directory=str(folder),
            project=None,
            profiles=profiles,
            env_files=env_files,
            environment=ENVIRONMENT,
        )
    except ConfigError as error:
        pytest.fail("\n".join(f"{one.place}: {one.message}" for one in error.diagnostics))


def used(model: object) -> object:
    """Leave out what devenv does not look at, and the order of keys."""
    assert isinstance(model, Mapping)
    kept = {key: item for key, item in model.items() if not key.startswith("x-")}
    services = kept["services"]
    kept["services"] = {
        name: {key: item for key, item in spec.items() if key in SERVICE_KEYS} for name, spec in services.items()
    }
    return json.loads(json.dumps(kept))


@pytest.mark.parametrize(
    ("files", "profiles"),
    [
        pytest.param({"compose.yaml": PORTS}, (), id="ports"),
        pytest.param({"compose.yaml": VALUES, ".env": "DOT=dot\n"}, (), id="values"),
        pytest.param({"compose.yaml": MOUNTS}, (), id="mounts"),
        pytest.param({"compose.yaml": EDGES}, (), id="edges"),
        pytest.param({"compose.yaml": EDGES}, ("dev", "prod"), id="profiles"),
        pytest.param(ENV_FILES, (), id="env files"),
        pytest.param(OVERRIDE, (), id="override"),
        pytest.param(EXTENDS, (), id="extends"),
        pytest.param(INCLUDE, (), id="include"),
        pytest.param({"compose.yaml": ANCHORS}, (), id="anchors"),
    ],
)
def test_plain_reader_agrees_with_docker(tmp_path: Path, files: dict[str, str], profiles: tuple[str, ...]) -> None:
    """Both give the same model of the same files."""
    folder = tmp_path / "project"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    layers = tuple(str(folder / name) for name in ("compose.yaml", "compose.override.yaml") if name in files)
    env_files = (str(folder / ".env"),) if ".env" in files else ()
    assert used(read_plainly(layers, folder, profiles, env_files)) == used(
        ask_docker(layers, folder, profiles, env_files)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "services:\n  a: {image: i, depends_on: [bb]}\n  b: {image: i}",
            'compose.yaml:2:30: a depends on "bb", which is not defined',
        ),
        (
            "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i, profiles: [p]}",
            "compose.yaml:2:30: a depends on b, which is disabled: profile p is not active; add --profile p",
        ),
        ("services:\n  a: {image: i, imag: j}", 'compose.yaml:2:17: the key "imag" is unknown to Compose'),
        (
            "services:\n  a: {image: i, image: j}",
            'compose.yaml:2:17: the key "image" is given twice; the first is in line 2',
        ),
        (
            "services:\n  a:\n    image: ${X:?set X}",
            "compose.yaml:3:5: services.a.image: required variable X is missing a value: set X",
        ),
        (
            "services:\n  a: {build: .}\n  b: {}",
            'compose.yaml:3:3: service "b" has neither an image nor a build context specified',
        ),
    ],
)
def test_dockers_refusal_has_a_place(tmp_path: Path, text: str, expected: str) -> None:
    """What `docker compose config` says of a wrong file is shown with file, line and column."""
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(Request(start=str(tmp_path), environment=ENVIRONMENT), read_compose=read_compose)
    assert [f"{one.place}: {one.message}" for one in caught.value.diagnostics] == [expected]


def test_both_readers_give_one_stack_for_the_example() -> None:
    """The example starts the same services with and without Docker."""
    request = Request(start=str(Path(__file__).parents[2]), environment=ENVIRONMENT)
    assert load(request, read_compose=read_compose).services == load(request, read_compose=None).services
