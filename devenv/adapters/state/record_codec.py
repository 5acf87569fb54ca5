"""The run record as JSON values, and back.

Written out by hand, so that the file's shape is a decision and not an accident of the dataclasses. Must not touch
files. Invariant: `decode(encode(record)) == record`, and `decode` raises ValueError for everything else.
"""

from collections.abc import Mapping
from typing import cast

from devenv.app.ports import Record, Recorded
from devenv.domain.events import ServiceView
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import State
from devenv.domain.model import ComposeProject, Stop

VERSION = 1


def encode(record: Record) -> dict[str, object]:
    """Return `record` as JSON values."""
    return {
        "version": VERSION,
        "stack": record.stack,
        "root": record.root,
        "file": record.file,
        "boot": record.boot,
        "compose": _encode_compose(record.compose) if record.compose else None,
        "services": {name: _encode_recorded(one) for name, one in record.services.items()},
        "ports": {name: list(ports) for name, ports in record.ports.items()},
        "asked_ports": {name: list(ports) for name, ports in record.asked_ports.items()},
        "weights": dict(record.weights),
    }


def decode(data: object) -> Record:
    """Return the record in `data`; raises ValueError for another version or shape."""
    fields = _Fields(data)
    if fields.whole("version") != VERSION:
        raise ValueError(f"version {fields.whole('version')}, not {VERSION}")
    compose = fields.inner("compose")
    return Record(
        stack=fields.text("stack"),
        root=fields.text("root"),
        file=fields.text("file"),
        boot=fields.text("boot"),
        compose=_decode_compose(compose) if compose else None,
        services={name: _decode_recorded(_Fields(one)) for name, one in fields.mapping("services").items()},
        ports={name: _wholes(ports) for name, ports in fields.mapping("ports").items()},
        asked_ports={name: _wholes(ports) for name, ports in fields.mapping("asked_ports").items()},
        weights={name: _number(weight) for name, weight in fields.mapping("weights").items()},
    )


def _encode_compose(compose: ComposeProject) -> dict[str, object]:
    return {
        "name": compose.name,
        "files": list(compose.files),
        "directory": compose.directory,
        "profiles": list(compose.profiles),
        "env_files": list(compose.env_files),
        "environment": dict(compose.environment),
        "model": compose.model,
    }


def _decode_compose(fields: "_Fields") -> ComposeProject:
    return ComposeProject(
        name=fields.text("name"),
        files=fields.texts("files"),
        directory=fields.text("directory"),
        profiles=fields.texts("profiles"),
        env_files=fields.texts("env_files"),
        environment={name: _text(value) for name, value in fields.mapping("environment").items()},
        model=fields.mapping("model"),
    )


def _encode_recorded(recorded: Recorded) -> dict[str, object]:
    process, stop = recorded.process, recorded.stop
    return {
        "view": _encode_view(recorded.view),
        "fingerprint": recorded.fingerprint,
        "process": {"pid": process.pid, "started": process.started} if process else None,
        "log_start": recorded.log_start,
        "stop": {
            "signal": stop.signal,
            "grace_s": stop.grace_s,
            "command": list(stop.command) if stop.command is not None else None,
        },
    }


def _decode_recorded(fields: "_Fields") -> Recorded:
    process, stop = fields.inner("process"), fields.need("stop")
    return Recorded(
        view=_decode_view(fields.need("view")),
        fingerprint=fields.text("fingerprint"),
        process=ProcessId(pid=process.whole("pid"), started=process.number("started")) if process else None,
        log_start=fields.whole("log_start"),
        stop=Stop(
            signal=stop.text("signal"),
            grace_s=stop.number("grace_s"),
            command=stop.texts("command") if stop.has("command") else None,
        ),
    )


def _encode_view(view: ServiceView) -> dict[str, object]:
    return {
        "name": view.name,
        "run": view.run,
        "state": view.state,
        "health": view.health,
        "pid": view.pid,
        "started": view.started,
        "container": view.container,
        "ports": list(view.ports),
        "url": view.url,
        "restarts": view.restarts,
        "exit_code": view.exit_code,
        "since": view.since,
        "ready_after_s": view.ready_after_s,
        "depends_on": list(view.depends_on),
        "log": view.log,
        "detail": view.detail,
        "tail": list(view.tail),
    }


def _decode_view(fields: "_Fields") -> ServiceView:
    return ServiceView(
        name=fields.text("name"),
        run=fields.text("run"),
        state=State(fields.text("state")),
        health=fields.text("health"),
        pid=fields.whole("pid") if fields.has("pid") else None,
        started=fields.number("started") if fields.has("started") else None,
        container=fields.text("container"),
        ports=_wholes(fields.get("ports")),
        url=fields.text("url"),
        restarts=fields.whole("restarts"),
        exit_code=fields.whole("exit_code") if fields.has("exit_code") else None,
        since=fields.number("since"),
        ready_after_s=fields.number("ready_after_s") if fields.has("ready_after_s") else None,
        depends_on=fields.texts("depends_on"),
        log=fields.text("log"),
        detail=fields.text("detail"),
        tail=fields.texts("tail"),
    )


class _Fields:
    """A JSON object whose fields are asked for by type; a wrong or missing one is a ValueError that names it."""

    def __init__(self, data: object) -> None:
        self._data = _object(data)

    def has(self, name: str) -> bool:
        return self._data.get(name) is not None

    def get(self, name: str) -> object:
        if name not in self._data:
            raise ValueError(f"{name} is missing")
        return self._data[name]

    def text(self, name: str) -> str:
        return _text(self.get(name), name)

    def number(self, name: str) -> float:
        return _number(self.get(name), name)

    def whole(self, name: str) -> int:
        return _whole(self.get(name), name)

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_text(one, name) for one in _array(self.get(name), name))

    def mapping(self, name: str) -> Mapping[str, object]:
        return _object(self.get(name))

    def inner(self, name: str) -> "_Fields | None":
        return _Fields(self.get(name)) if self.has(name) else None

    def need(self, name: str) -> "_Fields":
        return _Fields(self.get(name))


def _object(data: object) -> dict[str, object]:
    if not isinstance(data, dict):
        raise ValueError(f"an object was expected, not {type(data).__name__}")  # noqa: TRY004 - one error for the caller
    return cast("dict[str, object]", data)


def _array(data: object, name: str) -> list[object]:
    if not isinstance(data, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - one error for the caller
    return cast("list[object]", data)


def _text(data: object, name: str = "a value") -> str:
    if not isinstance(data, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - one error for the caller
    return data


def _number(data: object, name: str = "a value") -> float:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise ValueError(f"{name} is no number")  # noqa: TRY004 - one error for the caller
    return data


def _whole(data: object, name: str = "a value") -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        raise ValueError(f"{name} is no whole number")  # noqa: TRY004 - one error for the caller
    return data


def _wholes(data: object) -> tuple[int, ...]:
    return tuple(_whole(one) for one in _array(data, "a list of numbers"))
