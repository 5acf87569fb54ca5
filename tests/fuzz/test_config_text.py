"""Any text in any of the three kinds of file becomes a Stack or a ConfigError, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devenv.config.load import Request, load, load_clean, load_git
from devenv.config.render import to_document, to_yaml
from devenv.domain.errors import ConfigError
from devenv.domain.model import Stack

FAST = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

NAMES = st.sampled_from(["api", "db", "web", "a", "", "1", "x y", "on", "<<", "ünï", "api.b"])
TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "8000",
                "8000-8003",
                "auto",
                "127.0.0.1:80",
                "22:22",
                "::1",
                "70000",
                "0",
                "-1",
                "80/udp",
                "8080:80",
                "[::1]:1:2",
            ),
            *(
                "${A}",
                "${A:-x}",
                "${A:?no}",
                "${api.port}",
                "${db.url}",
                "${",
                "$$",
                "$",
                "${A:-${B:+${api.port}}}",
                "${api.x}",
            ),
            *(
                "ready",
                "completed",
                "service_healthy",
                "30s",
                "1m30s",
                "on",
                "/health",
                "redis://x",
                "TERM",
                "echo 'a",
                "./a:/b",
            ),
            *("c.yml", ".env", "missing", "always", "http://x", "postgresql://a:b@c/d", "(", "no", "[", "*", "CMD"),
        ]
    ),
    st.text(max_size=12),
)
SCALARS = st.one_of(TEXTS, st.integers(-5, 99999), st.floats(allow_nan=True), st.booleans(), st.none())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)
OF_SERVICES = (
    "command task external working_dir ports environment env_file depends_on ready restart stop profiles comand"
)
OF_COMPOSE = (
    "image build command entrypoint ports volumes environment env_file depends_on healthcheck profiles restart extends "
    "networks secrets configs labels stop_grace_period stop_signal deploy mem_limit init devices logging x-a extends"
)
OF_INNER = (
    "port host on_conflict protocol http tcp log sql redis exec health timeout status body headers signal grace api db "
    "condition required target published type source test interval service file"
)
INNER = st.one_of(
    VALUES,
    st.dictionaries(st.sampled_from(OF_INNER.split()), VALUES, max_size=3),
    st.lists(VALUES, max_size=3),
)


def some_of(
    names: str, values: st.SearchStrategy[object], **more: st.SearchStrategy[object]
) -> st.SearchStrategy[object]:
    """Return mappings with some of these keys, or now and then something else."""
    right = st.fixed_dictionaries({}, optional={**dict.fromkeys(names.split(), values), **more})
    return st.one_of(right, right, VALUES)


WORDS = st.one_of(
    st.sampled_from(
        ["dev", "master", "-x", "a..b", "../x", "a", "a/b", "{date}", "{x}", "${A}", "npm", "pnmp", "auto"]
    ),
    st.sampled_from(["ff-only", "10GB", "1.5GiB", "7d", "dist", "**/x", "/", ".", "\0"]),
    SCALARS,
)
LISTS = st.one_of(WORDS, st.lists(WORDS, max_size=3))
GIT = some_of(
    "pull branch",
    WORDS,
    sync=some_of("remotes branches commit message timeout repos x", LISTS, promote=some_of("from to x", WORDS)),
    mirror=st.lists(some_of("from to commit", WORDS), max_size=3),
)
CLEAN = some_of(
    "paths caches", LISTS, build_cache=some_of("keep older_than", WORDS), logs=some_of("size keep x", WORDS)
)


def stack_of(keys: str, more: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    """Return documents that are nearly right: known keys with any values."""
    services = st.dictionaries(
        NAMES, st.one_of(st.dictionaries(st.sampled_from(keys.split()), INNER, max_size=5), VALUES), max_size=4
    )
    return st.fixed_dictionaries({"services": st.one_of(services, services, VALUES)}, optional=more)


SERVICES = stack_of(
    OF_SERVICES,
    {
        "name": VALUES,
        "compose": VALUES,
        "env_file": VALUES,
        "engine": VALUES,
        "environment": VALUES,
        "other": VALUES,
        "git": GIT,
        "clean": CLEAN,
    },
)
COMPOSE = stack_of(
    OF_COMPOSE, {"name": VALUES, "include": VALUES, "volumes": VALUES, "networks": VALUES, "x-y": VALUES}
)


def read(folder: Path, name: str, content: bytes) -> Stack | None:
    """Load one file; return None for a ConfigError that says something."""
    file = folder / name
    file.write_bytes(content)
    request = Request(start=str(folder), file=name, environment={"A": "1 ${api.port} $"})
    try:
        return load(request, read_compose=None)
    except ConfigError as error:
        said = [error.why, *(one.message for one in error.diagnostics)]
    assert any(said)
    return None


def check(stack: Stack | None) -> None:
    """See that a stack can be shown."""
    if stack:
        to_yaml(to_document(stack))


@pytest.mark.parametrize("name", ["services.yaml", "compose.yaml", "Procfile", ".env"])
@FAST
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes_are_a_stack_or_mistakes(tmp_path: Path, name: str, content: bytes) -> None:
    """No file content crashes the reader."""
    if name == ".env":
        (tmp_path / ".env").write_bytes(content)
        name, content = "services.yaml", b"services: {a: {command: x}}"
    check(read(tmp_path, name, content))


YAMLISH = st.text(alphabet="ab:- \n{}[]'\"&*!#|>?,%@`<$\t123.~\\", max_size=80)


@pytest.mark.parametrize("name", ["services.yaml", "compose.yaml"])
@FAST
@given(text=YAMLISH)
def test_yaml_like_text_is_a_stack_or_mistakes(tmp_path: Path, name: str, text: str) -> None:
    """No play of YAML's signs crashes the reader."""
    check(read(tmp_path, name, f"services:\n  a: {{command: x, image: y}}\n{text}".encode()))
    check(read(tmp_path, name, text.encode()))


@FAST
@given(document=SERVICES)
def test_nearly_right_services_are_a_stack_or_mistakes(tmp_path: Path, document: object) -> None:
    """No value under any key of services.yaml crashes the reader."""
    check(read(tmp_path, "services.yaml", yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace")))


@FAST
@given(document=COMPOSE)
def test_nearly_right_compose_files_are_a_stack_or_mistakes(tmp_path: Path, document: object) -> None:
    """No value under any key of a Compose file crashes the plain reader."""
    check(read(tmp_path, "compose.yaml", yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace")))


@FAST
@given(document=COMPOSE)
def test_services_over_any_compose_file_are_a_stack_or_mistakes(tmp_path: Path, document: object) -> None:
    """No Compose file crashes what is built upon it."""
    (tmp_path / "c.yml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8", errors="replace")
    text = "compose: c.yml\nservices: {db: {ready: {tcp: true}, ports: [80]}, w: {command: '${db.port}'}}"
    check(read(tmp_path, "services.yaml", text.encode()))


@FAST
@given(git=GIT, clean=CLEAN)
def test_nearly_right_git_and_clean_are_read_alone_as_with_the_stack(
    tmp_path: Path, git: object, clean: object
) -> None:
    """No value under any key of `git:` and `clean:` crashes the reader, and both ways to read it agree."""
    document = {"services": {"a": {"command": "x"}}, "git": git, "clean": clean}
    stack = read(tmp_path, "services.yaml", yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "replace"))
    check(stack)
    request = Request(start=str(tmp_path), environment={"A": "1 ${api.port} $"})
    try:
        alone = load_git(request), load_clean(request)
    except ConfigError:
        assert stack is None
    else:
        assert stack is not None
        assert alone == (stack.git, stack.clean)
