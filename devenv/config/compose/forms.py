"""Compose's short forms to the long ones that `docker compose config` prints, one service at a time.

Must not read files. Each function takes what YAML gave, variables replaced, and raises ValueError with one sentence.
Invariant: after `normalise_service` a list of ports, volumes or variables has one shape only; merging relies on it.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from devenv.config.compose.ports import read_ports
from devenv.config.compose.values import Spec, as_plain, go_duration, need_mapping, read_size, read_whole, scalar_text
from devenv.config.text import paths
from devenv.config.text.interpolate import Lookup
from devenv.config.values import list_one, read_duration, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What short forms may refer to: the folder of the file, and variables without a value here."""

    folder: str
    lookup: Lookup

    def path(self, text: str) -> str:
        """Return a path of the file as an absolute one."""
        if text.startswith("~"):
            return (self.lookup("HOME") or "~") + text[1:]
        return paths.join(self.folder, text)


def normalise_service(spec: Spec, around: Surroundings, note: Callable[[str, str], None]) -> Spec:
    """Return a service in long forms; `note(key, sentence)` gets what is wrong with a key."""
    long: Spec = {}
    for key, value in spec.items():
        reader = READERS.get(key)
        if value is None and key not in {"command", "entrypoint"}:
            continue
        try:
            long[key] = reader(value, around) if reader else as_plain(value)
        except ValueError as error:
            note(key, str(error))
    return long


def read_mapping(value: object, _around: Surroundings) -> dict[str, object]:
    """Return a mapping of texts from a mapping or a list of KEY=value; what has no value is empty."""
    return {key: "" if item is None else item for key, item in _pairs(value).items()}


def _environment(value: object, around: Surroundings) -> dict[str, object]:
    return {key: around.lookup(key) if item is None else item for key, item in _pairs(value).items()}


def _pairs(value: object) -> dict[str, str | None]:
    if isinstance(value, dict):
        return {key: None if item is None else scalar_text(item) for key, item in value.items()}
    if not isinstance(value, list):
        raise ValueError(f"must be a mapping or a list of KEY=value, not {say(value)}")  # noqa: TRY004
    found: dict[str, str | None] = {}
    for item in value:
        key, equals, text = scalar_text(item).partition("=")
        found[key] = text if equals else None
    return found


def _command(value: object, _around: Surroundings) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list):
        return [scalar_text(item) for item in value]
    try:
        return shlex.split(scalar_text(value))
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {str(error).lower()}") from None


def _health(value: object, _around: Surroundings) -> Spec:
    given = dict(need_mapping(value))
    if "test" in given:
        test = given["test"]
        given["test"] = (
            [scalar_text(item) for item in test] if isinstance(test, list) else ["CMD-SHELL", scalar_text(test)]
        )
    for key in ("interval", "timeout", "start_period", "start_interval"):
        if key in given:
            given[key] = go_duration(read_duration(given[key]))
    if "retries" in given:
        given["retries"] = read_whole(given["retries"])
    return {key: as_plain(item) for key, item in given.items()}


def _volumes(value: object, around: Surroundings) -> list[Spec]:
    return [_volume(item, around) for item in list_one(value)]


def _volume(item: object, around: Surroundings) -> Spec:
    if isinstance(item, dict):
        long = {key: as_plain(part) for key, part in item.items()}
        if long.get("type") == "bind" and "source" in long:
            long["source"] = around.path(scalar_text(long["source"]))
        size = long.get("tmpfs")
        if isinstance(size, dict) and "size" in size:
            long["tmpfs"] = {**size, "size": read_size(size["size"])}
        return long
    parts = scalar_text(item).split(":")
    if len(parts) > 3 or not parts[-1]:
        raise ValueError(f'"{item}" is not a volume; write "name:/path" or "./folder:/path:ro"')
    if len(parts) == 1:
        return {"type": "volume", "target": parts[0], "volume": {}}
    options = parts[2].split(",") if len(parts) == 3 else []
    is_path = parts[0].startswith((".", "/", "~"))
    volume: Spec = {"type": "bind" if is_path else "volume", "target": parts[1]}
    volume["source"] = around.path(parts[0]) if is_path else parts[0]
    inner: Spec = {"create_host_path": True} if is_path else {}
    for option in options:
        if option == "ro":
            volume["read_only"] = True
        elif option == "nocopy":
            inner["nocopy"] = True
        elif option in {"z", "Z"}:
            inner["selinux"] = option
    volume["bind" if is_path else "volume"] = inner
    return volume


def _build(value: object, around: Surroundings) -> Spec:
    given = dict(value) if isinstance(value, dict) else {"context": scalar_text(value)}
    context = scalar_text(given.get("context", "."))
    given["context"] = context if "://" in context or context.startswith("git@") else around.path(context)
    given.setdefault("dockerfile", "Dockerfile")
    if "args" in given:
        known = _environment(given["args"], around)
        given["args"] = {key: item for key, item in known.items() if item is not None}
    if "labels" in given:
        given["labels"] = read_mapping(given["labels"], around)
    return {key: as_plain(item) for key, item in given.items()}


def _edges(value: object, _around: Surroundings) -> Spec:
    default = {"condition": "service_started", "required": True}
    if isinstance(value, list):
        return {scalar_text(item): dict(default) for item in value}
    return {key: {**default, **need_mapping(item)} for key, item in need_mapping(value).items()}


def _networks(value: object, _around: Surroundings) -> Spec:
    if isinstance(value, list):
        return {scalar_text(item): None for item in value}
    return {key: as_plain(item) for key, item in need_mapping(value).items()}


def _mounts(value: object, _around: Surroundings, *, folder: str) -> list[Spec]:
    found: list[Spec] = []
    for item in list_one(value):
        long = dict(need_mapping(item)) if not isinstance(item, str) else {"source": item}
        if folder and not long.get("target"):
            long["target"] = folder + str(long.get("source"))
        found.append({key: as_plain(part) for key, part in long.items()})
    return found


def _env_files(value: object, around: Surroundings) -> list[Spec]:
    found: list[Spec] = []
    for item in list_one(value):
        long = item if isinstance(item, dict) else {"path": item}
        required = long.get("required", True)
        name = scalar_text(long.get("path"))
        found.append({"path": around.path(name), "required": required is True or required == "true", "shown": name})
    return found


def _hosts(value: object, _around: Surroundings) -> list[str]:
    if isinstance(value, dict):
        return [f"{key}={scalar_text(item)}" for key, item in value.items()]
    texts = [scalar_text(item) for item in list_one(value)]
    return [text if "=" in text else text.replace(":", "=", 1) for text in texts]


def _devices(value: object, _around: Surroundings) -> list[object]:
    found: list[object] = []
    for item in list_one(value):
        if isinstance(item, str):
            source, target, rights = [*item.split(":"), "", ""][:3]
            found.append({"source": source, "target": target or source, "permissions": rights or "rwm"})
        else:
            found.append(as_plain(item))
    return found


def _logging(value: object, around: Surroundings) -> Spec:
    given = dict(need_mapping(value))
    if "options" in given:
        given["options"] = read_mapping(given["options"], around)
    return given


def _texts(value: object, _around: Surroundings) -> list[str]:
    return [scalar_text(item) for item in list_one(value)]


def _text(value: object, _around: Surroundings) -> str:
    return scalar_text(value)


def _flag(value: object, _around: Surroundings) -> bool:
    if isinstance(value, bool):
        return value
    if value == "true" or value == "false":  # noqa: PLR1714 - a list has no hash
        return value == "true"
    raise ValueError(f"must be true or false, not {say(value)}")


def _duration(value: object, _around: Surroundings) -> str:
    return go_duration(read_duration(value))


Reader = Callable[[object, Surroundings], object]
_LISTS = (
    "cap_add cap_drop dns dns_search dns_opt expose tmpfs profiles links external_links group_add security_opt "
    "volumes_from device_cgroup_rules"
)
_TEXTS = (
    "image container_name hostname user working_dir restart stop_signal platform network_mode pull_policy pid ipc "
    "domainname runtime userns_mode"
)
READERS: Mapping[str, Reader] = {
    **dict.fromkeys(_LISTS.split(), _texts),
    **dict.fromkeys(_TEXTS.split(), _text),
    **dict.fromkeys(("labels", "annotations", "sysctls"), read_mapping),
    **dict.fromkeys(("command", "entrypoint"), _command),
    **dict.fromkeys(("init", "tty", "stdin_open", "privileged", "read_only"), _flag),
    **dict.fromkeys(("mem_limit", "mem_reservation", "memswap_limit", "shm_size"), lambda value, _: read_size(value)),
    "stop_grace_period": _duration,
    "healthcheck": _health,
    "ports": lambda value, _: read_ports(value),
    "volumes": _volumes,
    "environment": _environment,
    "env_file": _env_files,
    "build": _build,
    "depends_on": _edges,
    "networks": _networks,
    "configs": partial(_mounts, folder=""),
    "secrets": partial(_mounts, folder="/run/secrets/"),
    "extra_hosts": _hosts,
    "devices": _devices,
    "logging": _logging,
}
_OTHERS = (
    "attach blkio_config cgroup cgroup_parent cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime "
    "cpu_shares cpus cpuset credential_spec deploy develop gpus isolation mac_address mem_swappiness oom_kill_disable "
    "oom_score_adj pids_limit post_start pre_stop scale storage_opt ulimits uts extends"
)
AS_WRITTEN = frozenset(_OTHERS.split())
