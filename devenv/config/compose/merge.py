"""Lays one Compose file over another, in the long forms of `compose_forms`.

Pure. Follows Compose: mappings are merged, lists are joined without repeats, ports and mounts by what they mean, and
commands replaced. Invariant: neither input is changed.
"""

from collections.abc import Callable, Mapping

from devenv.config.compose.values import Spec

_REPLACED = frozenset({"command", "entrypoint", "test"})


def merge_service(under: Mapping[str, object], over: Mapping[str, object]) -> Spec:
    """Return a service with another file's version laid over it."""
    merged = dict(under)
    for key, value in over.items():
        if key in {"ports", "volumes", "secrets", "configs", "devices"}:
            merged[key] = _merge_by(_IDENTITY[key], merged.get(key), value)
        elif key == "logging" and _differs(merged.get(key), value, "driver"):
            merged[key] = value
        else:
            merged[key] = _merge(key, merged.get(key), value)
    return merged


def merge_section(under: Mapping[str, object], over: Mapping[str, object]) -> Spec:
    """Return networks, volumes, configs or secrets of two files."""
    return {**under, **{key: _merge(key, under.get(key), value) for key, value in over.items()}}


def _merge(key: str, under: object, over: object) -> object:
    if over is None and key not in _REPLACED:
        return under
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return {**under, **{name: _merge(name, under.get(name), item) for name, item in over.items()}}
    if isinstance(under, list) and isinstance(over, list) and key not in _REPLACED:
        return [*under, *(item for item in over if item not in under)]
    return over


def _merge_by(identity: Callable[[Mapping[str, object]], object], under: object, over: object) -> list[object]:
    merged: dict[str, object] = {}  # by the identity's text: what a user wrote there may be a list
    for items in (under, over):
        for item in items if isinstance(items, list) else []:
            merged[repr(identity(item) if isinstance(item, Mapping) else item)] = item
    return list(merged.values())


_IDENTITY: Mapping[str, Callable[[Mapping[str, object]], object]] = {
    "ports": lambda one: (one.get("host_ip"), one.get("target"), one.get("published"), one.get("protocol")),
    "volumes": lambda one: one.get("target"),
    "secrets": lambda one: one.get("target") or one.get("source"),
    "configs": lambda one: one.get("target") or one.get("source"),
    "devices": lambda one: one.get("target"),
}


def _differs(under: object, over: object, key: str) -> bool:
    return isinstance(under, Mapping) and isinstance(over, Mapping) and under.get(key) != over.get(key, under.get(key))
