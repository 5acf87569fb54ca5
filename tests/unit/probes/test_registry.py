"""Every kind of probe keeps the same contract, and loading them loads no client library."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace

import pytest
from pydantic import TypeAdapter, ValidationError

from devenv import probes
from devenv.domain.probe import Probe

SAMPLES: dict[str, object] = {
    "tcp": True,
    "http": "/health",
    "exec": "true",
    "log": "ready$",
    "sql": "postgresql://app:hush@127.0.0.1:${postgres.port}/app",
    "redis": "redis://:hush@127.0.0.1:${redis.port}/0",
    "health": True,
}


def build(kind: type[Probe], **options: object) -> Probe:
    """Return the sample of `kind`, read as a file is read."""
    return TypeAdapter(kind).validate_python({"value": SAMPLES[kind.kind], **options})


def test_registry_has_a_sample_when_a_kind_is_added() -> None:
    """These tests know every kind."""
    assert [kind.kind for kind in probes.ALL] == list(SAMPLES)


@pytest.mark.parametrize("kind", probes.ALL, ids=lambda kind: kind.kind)
def test_kind_is_a_probe_when_it_is_in_the_registry(kind: type[Probe]) -> None:
    """It has what the gate asks for, and its first field is what stands behind its name."""
    probe = build(kind)

    assert isinstance(probe, Probe)
    assert fields(kind)[0].name == "value"  # type: ignore[arg-type]
    assert replace(probe) == probe  # type: ignore[type-var]


@pytest.mark.parametrize("kind", probes.ALL, ids=lambda kind: kind.kind)
def test_kind_refuses_an_option_when_it_does_not_know_it(kind: type[Probe]) -> None:
    """A misspelt option is a mistake, not silence."""
    with pytest.raises(ValidationError):
        build(kind, statsu=200)


@pytest.mark.parametrize("kind", probes.ALL, ids=lambda kind: kind.kind)
def test_description_begins_with_the_kind_and_holds_no_secret(kind: type[Probe]) -> None:
    """Descriptions stand on screens and in logs."""
    text = build(kind).describe()

    assert text.startswith(kind.kind)
    assert "hush" not in text


def test_no_client_is_loaded_when_the_registry_is(real_subprocess: None) -> None:
    """Reading a file must not cost what only a check needs."""
    heavy = {"httpx", "pg8000", "pymysql", "ssl", "sqlite3", "asyncio"}
    code = f"import sys, devenv.probes; print(*{heavy} & {{*sys.modules}})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)

    assert ended.stdout.split() == []
