"""Reads `ready:`: which probes prove that a service is usable, and how long they may take.

Knows the kinds only through the registry of `devenv.probes`. Invariant: every probe that is returned was built from
exactly one kind's own fields.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devenv import probes
from devenv.config.mistakes import Loc, Mistake
from devenv.config.schema.services import option_names, read_probe
from devenv.config.text.problems import suggest
from devenv.config.values import read_positive_duration, read_text, say
from devenv.domain.probe import Probe

Note = Callable[[Mistake], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The gate as it is written; `timeout_s` is None where none is given."""

    probes: tuple[Probe, ...] = ()
    timeout_s: float | None = None


def read_ready(value: object, note: Note) -> Ready:
    """Read one probe or a list of them; mistakes go to `note` with their path below `ready`."""
    if value is None:
        return Ready()
    if isinstance(value, list):
        found = [_read_one(item, (index,), note) for index, item in enumerate(value)]
    else:
        found = [_read_one(value, (), note)]
    timeouts = [timeout for _, timeout in found if timeout is not None]
    return Ready(probes=tuple(probe for probe, _ in found if probe), timeout_s=max(timeouts, default=None))


def _read_one(value: object, at: Loc, note: Note) -> tuple[Probe | None, float | None]:
    if not isinstance(value, dict):
        note(Mistake(loc=at, message=f"ready must be a probe such as {{http: /health}}, not {say(value)}"))
        return None, None
    options = dict(value)
    timeout = _take_timeout(options, at, note)
    kinds = [kind for key in options for kind in probes.ALL if kind.kind == key]
    if len(kinds) != 1:
        if options or timeout is None:
            note(_explain_kinds(options, [kind.kind for kind in kinds], at))
        return None, timeout
    return _build(kinds[0], options, at, note), timeout


def _take_timeout(options: dict[str, object], at: Loc, note: Note) -> float | None:
    if "timeout" not in options:
        return None
    try:
        return read_positive_duration(options.pop("timeout"))
    except ValueError as error:
        note(Mistake(loc=(*at, "timeout"), message=str(error)))
        return None


def _explain_kinds(options: Mapping[str, object], found: list[str], at: Loc) -> Mistake:
    names = [kind.kind for kind in probes.ALL]
    if found:
        both = " and ".join(found)
        return Mistake(loc=(*at, found[1]), message=f"one probe cannot be {both}; write a list of two", at_key=True)
    for key in options:
        if hint := suggest(key, names):
            return Mistake(loc=(*at, key), message=f'"{key}" is no kind of probe', hint=hint, at_key=True)
    return Mistake(loc=at, message="ready names no kind of probe", hint=f"known kinds: {', '.join(names)}")


def _build(kind: type[Probe], options: dict[str, object], at: Loc, note: Note) -> Probe | None:
    given = {"value": options.pop(kind.kind), **options}
    result = read_probe(kind, {name: _as_written(item) for name, item in given.items()})
    if not isinstance(result, list):
        return result
    for mistake in result:
        first, *rest = mistake.loc or ("value",)
        loc = (*at, kind.kind if first == "value" else first, *rest)
        hint = mistake.hint
        if mistake.at_key and not hint:
            hint = f"known here: {', '.join((kind.kind, *option_names(kind), 'timeout'))}"
        note(Mistake(loc=loc, message=mistake.message, hint=hint, at_key=mistake.at_key))
    return None


def _as_written(value: object) -> object:
    """Return numbers inside mappings and lists as text: a header's value, an argument."""
    if isinstance(value, dict):
        return {key: read_text(item) if isinstance(item, int | float) else item for key, item in value.items()}
    return value
