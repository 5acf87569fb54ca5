"""Turns what the schema found into plain sentences, at their places.

Must not import the schema's library: it sees its findings as mappings. Invariant: no word of that library is shown.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devenv.config.text.nodes import Document, Path
from devenv.config.text.problems import Problems, suggest
from devenv.config.values import say

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is wrong at `loc`; `at_key` says that the key itself is meant."""

    loc: Loc
    message: str
    hint: str = ""
    at_key: bool = False


def explain(error: Mapping[str, object], known: Iterable[str]) -> Mistake:
    """Return one finding in words; `known` are the keys that the innermost mapping may have."""
    loc: Loc = error["loc"]  # type: ignore[assignment]
    kind = str(error["type"])
    if kind == "extra_forbidden":
        return unknown_key(loc, known)
    if kind == "value_error":
        context = error["ctx"]
        assert isinstance(context, Mapping)
        return Mistake(loc=loc, message=str(context["error"]))
    if kind == "missing":
        return Mistake(loc=loc[:-1], message=f'needs "{loc[-1]}"')
    wanted = _WANTED.get(kind)
    if wanted:
        return Mistake(loc=loc, message=f"must be {wanted}, not {say(error['input'])}")
    return Mistake(loc=loc, message=str(error["msg"]).lower())


def explain_union(errors: Iterable[Mapping[str, object]]) -> list[Mistake]:
    """Return findings in words; what one value could have been instead is one sentence."""
    by_place: dict[object, list[Mapping[str, object]]] = {}
    for error in errors:
        loc: Loc = error["loc"]  # type: ignore[assignment]
        by_place.setdefault(loc[:1], []).append(error)
    found: list[Mistake] = []
    for place, group in by_place.items():
        wanted = list(dict.fromkeys(_WANTED[str(error["type"])] for error in group if error["type"] in _WANTED))
        if len(group) > 1 and wanted:
            message = f"must be {' or '.join(wanted)}, not {say(group[0]['input'])}"
            found.append(Mistake(loc=place, message=message))  # type: ignore[arg-type]
        else:
            found += [explain(error, ()) for error in group]
    return found


def unknown_key(loc: Loc, known: Iterable[str]) -> Mistake:
    """Return the mistake of a key that nobody knows."""
    keys = sorted(known)
    hint = suggest(str(loc[-1]), keys) or f"known here: {', '.join(keys)}"
    return Mistake(loc=loc, message=f'the key "{loc[-1]}" is unknown', hint=hint, at_key=True)


def note_all(document: Document, at: Path, mistakes: Iterable[Mistake], problems: Problems) -> None:
    """Note mistakes with their places; `at` is where their paths begin."""
    for mistake in mistakes:
        path = (*at, *mistake.loc)
        place = document.key_place(path) if mistake.at_key else document.place(path)
        problems.add(document.file, place, _with_key(mistake), hint=mistake.hint)


def _with_key(mistake: Mistake) -> str:
    """Begin a sentence such as `must be text` with the key that it speaks of."""
    words = [str(part) for part in mistake.loc if isinstance(part, str)]
    needs_subject = mistake.message.startswith(("must ", "needs ", "names ", "is ", "cannot "))
    return f"{words[-1]} {mistake.message}" if words and needs_subject else mistake.message


_NUMBER = "a number"
_MAPPING = "a mapping of keys to values"
_WANTED = {
    "string_type": "text",
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": "a whole number",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dataclass_type": _MAPPING,
}
