"""A stack as a document for `devenv config`: JSON-able, secrets masked, and as YAML.

Must not know files or terminals. Invariant: unless asked for, no value of a variable that is named like a secret and no
password of a URL leaves here, wherever in the stack it stands.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass

from devenv.domain.cleaning import CleanRules
from devenv.domain.git_rules import GitRules, SyncRules
from devenv.domain.graph import edges_of, waves
from devenv.domain.model import ContainerRun, Dependency, ExternalRun, Port, ProcessRun, Run, Service, Stack, TaskRun
from devenv.domain.probe import Probe

VERSION = 1
MASK = "********"
_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|secret|token|credential|api_?key|private_?key|_key$|^key$|pwd", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(?P<before>[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@'\"]*:)(?P<password>[^\s/'\"]+)(?=@)")
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_-]*)(?P<sign>=|:\s)(?P<value>[^\s'\"&;|]+)")


def to_document(stack: Stack, *, show_secrets: bool = False) -> dict[str, object]:
    """Return the resolved stack with plain values; `version` counts changes of this shape."""
    document: dict[str, object] = {
        "version": VERSION,
        "name": stack.name,
        "root": stack.root,
        "files": list(stack.files),
        "engine": stack.engine.value,
        "environment": dict(stack.environment),
        "compose": _compose(stack),
        "git": _git(stack.git),
        "clean": _clean(stack.clean),
        "services": {name: _service(service) for name, service in stack.services.items()},
        "waves": [list(wave) for wave in waves(edges_of(stack.services))],
        "notes": list(stack.notes),
    }
    return document if show_secrets else _masked(document)


def to_yaml(document: Mapping[str, object]) -> str:
    """Return a document as YAML, in its own order."""
    import yaml  # noqa: PLC0415 - only where YAML is asked for

    text: str = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120)
    return text


def mask(text: str) -> str:
    """Return `text` with passwords in URLs and assignments to secret names hidden."""
    text = _URL_PASSWORD.sub(lambda found: found["before"] + MASK, text)
    return _ASSIGNED.sub(_mask_assignment, text)


def _mask_assignment(found: re.Match[str]) -> str:
    return f"{found['name']}{found['sign']}{MASK}" if _SECRET_NAME.search(found["name"]) else found[0]


def _masked(document: dict[str, object]) -> dict[str, object]:
    return {key: _mask_value(key, value) for key, value in document.items()}


def _mask_value(key: str, value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _mask_value(name, item) for name, item in value.items()}
    if isinstance(value, list):
        return [_mask_value("", item) for item in value]
    if isinstance(value, str):
        return MASK if value and _SECRET_NAME.search(key) else mask(value)
    return value


def _compose(stack: Stack) -> dict[str, object] | None:
    project = stack.compose
    if project is None:
        return None
    return {
        "project": project.name,
        "files": list(project.files),
        "directory": project.directory,
        "profiles": list(project.profiles),
        "env_files": list(project.env_files),
    }


def _git(rules: GitRules | None) -> dict[str, object] | None:
    """Return `git:` with the names of its keys."""
    if rules is None:
        return None
    return {
        "pull": rules.pull.value,
        "branch": rules.branch or None,
        "sync": _sync(rules.sync),
        "mirror": [{"from": one.source, "to": one.target, "commit": one.commit or None} for one in rules.mirrors],
    }


def _sync(rules: SyncRules | None) -> dict[str, object] | None:
    if rules is None:
        return None
    promote = rules.promote
    return {
        "repos": list(rules.repos),
        "remotes": list(rules.remotes),
        "branches": list(rules.branches),
        "promote": {"from": promote.source, "to": promote.target} if promote else None,
        "commit": rules.commit.value,
        "message": rules.message,
        "timeout_s": rules.timeout_s,
    }


def _clean(rules: CleanRules | None) -> dict[str, object] | None:
    """Return `clean:` with the names of its keys, sizes in bytes and times in seconds."""
    if rules is None:
        return None
    cache = rules.build_cache
    return {
        "paths": list(rules.paths),
        "caches": list(rules.caches),
        "build_cache": {"keep_bytes": cache.keep_bytes, "older_than_s": cache.older_than_s} if cache else None,
        "logs": {"size_bytes": rules.logs.size_bytes, "keep": rules.logs.keep},
    }


def _service(service: Service) -> dict[str, object]:
    return {
        "run": service.kind,
        **_run(service.run),
        "ports": [_port(port) for port in service.ports],
        "depends_on": {edge.service: _edge(edge) for edge in service.depends_on},
        "ready": [_probe(probe) for probe in service.probes],
        "ready_timeout_s": service.ready_timeout_s,
        "restart": service.restart.value,
        "stop": {
            "signal": service.stop.signal or None,
            "grace_s": service.stop.grace_s,
            "command": _list(service.stop.command),
        },
        "profiles": list(service.profiles),
        "file": f"{service.mark.file}:{service.mark.line}" if service.mark else None,
    }


def _run(run: Run) -> dict[str, object]:
    match run:
        case ContainerRun():
            return {"image": run.image, "builds": run.builds, "command": list(run.command)} | _environment(run)
        case ProcessRun() | TaskRun():
            return {"command": list(run.argv), "working_dir": run.working_dir} | _environment(run)
        case ExternalRun():
            return {"external": run.url}


def _environment(run: ContainerRun | ProcessRun | TaskRun) -> dict[str, object]:
    return {"environment": dict(run.environment)}


def _port(port: Port) -> dict[str, object]:
    return {
        "port": "auto" if port.number is None else port.number,
        "host": port.host,
        "target": port.target,
        "protocol": port.transport.value,
        "on_conflict": port.on_conflict.value,
    }


def _edge(edge: Dependency) -> dict[str, object]:
    return {"condition": edge.condition.value, "required": edge.required}


def _probe(probe: Probe) -> dict[str, object]:
    """Return `{KIND: value, option: ...}`; what is not set is left out."""
    if not is_dataclass(probe) or isinstance(probe, type):
        return {probe.kind: None}
    shown: dict[str, object] = {}
    for item in fields(probe):
        value = getattr(probe, item.name)
        if item.name == "value":
            shown[probe.kind] = _plain(value)
        elif value not in (None, (), {}):
            shown[item.name] = _plain(value)
    return shown


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _list(value: tuple[str, ...] | None) -> list[str] | None:
    return None if value is None else list(value)
