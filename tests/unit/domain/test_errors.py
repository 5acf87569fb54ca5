"""Errors: their codes, and the way over the wire and back."""

from __future__ import annotations

import json

import pytest

from devenv.domain.errors import BY_CODE, ConfigError, DevenvError, Diagnostic, from_fields, to_fields


def leaves(kind: type[DevenvError] = DevenvError) -> set[type[DevenvError]]:
    """Return every error class of the domain."""
    below = {one for one in kind.__subclasses__() if one.__module__ == kind.__module__}
    return below.union(*(leaves(one) for one in below))


def test_every_leaf_has_a_code_of_its_own() -> None:
    """And is found by it."""
    assert set(BY_CODE.values()) == leaves()
    assert all(BY_CODE[leaf.code] is leaf for leaf in leaves())


@pytest.mark.parametrize("leaf", list(BY_CODE.values()))
def test_error_comes_back_from_the_wire_as_it_was(leaf: type[DevenvError]) -> None:
    """The same class, words and status."""
    error = leaf("cannot do it", why="it is late", fix="sleep", details=("one", "two"))
    back = from_fields(json.loads(json.dumps(to_fields(error))))
    assert type(back) is leaf
    assert (back.what, back.why, back.fix, back.details) == ("cannot do it", "it is late", "sleep", ("one", "two"))
    assert to_fields(back) == to_fields(error)


def test_mistakes_in_a_file_travel_with_their_places() -> None:
    """The command line shows them with the offending line."""
    mistake = Diagnostic(file="services.yaml", line=3, column=5, message="unknown key", source="  prts:", hint="ports?")
    error = ConfigError("cannot read services.yaml", diagnostics=(mistake,))
    back = from_fields(json.loads(json.dumps(to_fields(error))))
    assert isinstance(back, ConfigError)
    assert back.diagnostics == (mistake,)


def test_unknown_code_becomes_a_bug() -> None:
    """A daemon of another version may know more errors."""
    back = from_fields({"code": "flood", "what": "cannot swim"})
    assert (type(back), back.exit_status, back.what) == (DevenvError, 70, "cannot swim")


@pytest.mark.parametrize(("line", "place"), [(3, "a.yaml:3:7"), (0, "a.yaml")])
def test_place_is_one_that_editors_open(line: int, place: str) -> None:
    """Without a position it is the file."""
    assert Diagnostic(file="a.yaml", line=line, column=7, message="x").place == place
