"""Reads the keys of one mapping into an input model.

Invariant: what is wrong is left out and the rest is read, so that one mistake hides no other and none is said twice.
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from devenv.config.mistakes import Loc, Mistake, explain
from devenv.config.schema.fields import Input

M = TypeVar("M", bound=Input)


def read_keys(model: type[M], data: Mapping[str, object]) -> tuple[M, list[Mistake]]:
    """Read the keys that are right; return them with what is wrong with the others.

    Keys without a value are passed over: `ports:` alone says nothing. No key of `model` itself may be required, as
    there would be nothing to return without it.
    """
    rest = {key: item for key, item in data.items() if item is not None}
    mistakes, left_out = list[Mistake](), set[Loc]()
    while True:
        try:
            return model.model_validate(rest), mistakes
        except ValidationError as error:
            seen = rest
            for detail in error.errors(include_url=False):
                loc = detail["loc"]
                if detail["type"] != "missing" or loc not in left_out:
                    mistakes.append(explain({**detail}, _keys_of(_owner(model, loc))))
                left_out.add(loc)
                rest = _leave_out(rest, _reach(seen, loc), loc)


def _owner(model: type[Input], loc: Loc) -> type[Input]:
    """Return the model of the mapping that the last part of `loc` is a key of."""
    for part in loc[:-1]:
        model = model.nested.get(str(part), model)
    return model


def _keys_of(model: type[Input]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _leave_out(data: dict[str, object], path: Loc, loc: Loc) -> dict[str, object]:
    """Return `data` without the entry at `path`; of `ports` only the one at `loc` goes, so that the others stay."""
    ports = data.get("ports")
    if path == ("ports",) and len(loc) > 1 and isinstance(ports, list):
        return {**data, "ports": ["auto" if index == loc[1] else item for index, item in enumerate(ports)]}
    return _without(data, path)


def _without(data: dict[str, object], path: Loc) -> dict[str, object]:
    key, *rest = map(str, path)
    inner = data.get(key)
    if rest and isinstance(inner, dict):
        return {**data, key: _without(inner, tuple(rest))}
    return {name: item for name, item in data.items() if name != key}


def _reach(data: object, loc: Loc) -> Loc:
    """Return as much of `loc` as leads through mappings to an entry that there is."""
    for length, part in enumerate(loc):
        if not isinstance(data, dict) or part not in data:
            return loc[:length]
        data = data[part]
    return loc
