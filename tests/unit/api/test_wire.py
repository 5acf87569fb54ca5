"""What leaves the daemon as JSON, and comes back as it was."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.api.wire import (
    VERSION,
    decode_event,
    decode_view,
    encode_event,
    encode_snapshot,
    status_document,
    status_row,
)
from devenv.domain.errors import NotReady, to_fields
from devenv.domain.events import (
    Event,
    Gap,
    Note,
    Numbered,
    OperationEnded,
    OperationStarted,
    Progress,
    ServiceChanged,
    ServiceView,
    Snapshot,
)
from devenv.domain.lifecycle import State

TEXT = st.text(max_size=20)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
VIEWS = st.builds(
    ServiceView,
    name=TEXT,
    run=TEXT,
    state=st.sampled_from(State),
    health=TEXT,
    pid=st.none() | st.integers(),
    started=st.none() | NUMBER,
    container=TEXT,
    ports=st.lists(st.integers(0, 65_535), max_size=3).map(tuple),
    url=TEXT,
    restarts=st.integers(0, 9),
    exit_code=st.none() | st.integers(-64, 255),
    since=NUMBER,
    ready_after_s=st.none() | NUMBER,
    depends_on=st.lists(TEXT, max_size=3).map(tuple),
    log=TEXT,
    detail=TEXT,
    tail=st.lists(TEXT, max_size=3).map(tuple),
)
JSON = st.dictionaries(TEXT, st.none() | st.booleans() | TEXT | st.lists(TEXT, max_size=2), max_size=3)
EVENTS = st.one_of(
    st.builds(ServiceChanged, service=VIEWS, previous=st.none() | st.sampled_from(State)),
    st.builds(Note, text=TEXT, level=TEXT, service=TEXT),
    st.builds(Progress, subject=TEXT, text=TEXT, done=st.booleans()),
    st.builds(OperationStarted, operation=TEXT, verb=TEXT, services=st.lists(TEXT, max_size=3).map(tuple)),
    st.builds(
        OperationEnded,
        operation=TEXT,
        verb=TEXT,
        status=st.integers(0, 130),
        elapsed_s=NUMBER,
        failures=st.lists(JSON, max_size=2).map(tuple),
        summary=JSON,
    ),
    st.builds(Gap, missed=st.integers(0, 9)),
)

DB = ServiceView(
    name="db",
    run="container",
    state=State.READY,
    health="healthy",
    container="0123456789abcdef",
    ports=(5432,),
    url="postgresql://127.0.0.1:5432",
    restarts=1,
    exit_code=0,
    since=1_700_000_000.5,
    ready_after_s=0.123456,
    depends_on=("disk",),
    log="/logs/db.log",
)


@settings(max_examples=200, deadline=None, database=None)
@given(event=EVENTS, seq=st.integers(0, 10**9), at=NUMBER)
def test_event_comes_back_as_it_was(event: Event, seq: int, at: float) -> None:
    """Through JSON, whatever its kind and texts."""
    numbered = Numbered(seq=seq, at=at, event=event)
    assert decode_event(json.loads(json.dumps(encode_event(numbered)))) == numbered


def test_every_kind_of_event_can_leave() -> None:
    """A new one that the wire does not know would end the stream."""
    samples = {
        ServiceChanged: ServiceChanged(service=DB),
        Note: Note(text="x"),
        Progress: Progress(subject="a", text="b"),
        OperationStarted: OperationStarted(operation="up-1", verb="up"),
        OperationEnded: OperationEnded(operation="up-1", verb="up", status=0, elapsed_s=1.0),
        Gap: Gap(missed=1),
    }
    assert set(samples) == set(get_args(Event))
    assert len({encode_event(Numbered(seq=1, at=0.0, event=one))["kind"] for one in samples.values()}) == len(samples)


def test_failures_of_an_operation_arrive_whole() -> None:
    """With codes, details and all."""
    failure = to_fields(NotReady("cannot call db ready", why="HTTP 503", fix="devenv logs db", details=("a", "b")))
    event = OperationEnded(operation="up-1", verb="up", status=5, elapsed_s=1.5, failures=(failure,))
    back = decode_event(json.loads(json.dumps(encode_event(Numbered(seq=1, at=2.0, event=event)))))
    assert back is not None
    assert back.event == event


def test_unknown_kind_of_event_is_nothing() -> None:
    """A newer daemon may say more."""
    assert decode_event({"seq": 1, "at": 0.0, "kind": "weather", "text": "rain"}) is None
    assert decode_event({"seq": 1, "at": 0.0}) is None


def test_unknown_fields_are_left_out() -> None:
    """A newer daemon may say more about the same."""
    row = {**dataclasses.asdict(DB), "mood": "fine"}
    assert decode_view(row) == DB
    note = {"seq": 1, "at": 0.0, "kind": "note", "text": "x", "colour": "red"}
    assert decode_event(note) == Numbered(seq=1, at=0.0, event=Note(text="x"))


def test_snapshot_leaves_with_every_field_of_every_view() -> None:
    """A reader that begins here folds on."""
    data = json.loads(json.dumps(encode_snapshot(Snapshot(stack="shop", seq=7, services={"db": DB}))))
    assert (data["stack"], data["seq"]) == ("shop", 7)
    assert [decode_view(row) for row in data["services"]] == [DB]


def test_status_document_has_the_documented_shape() -> None:
    """The fields that the issue promises, in their order, then what was added."""
    document = status_document(Snapshot(stack="shop", seq=7, services={"db": DB}))
    assert list(document) == ["version", "stack", "state", "services"]
    assert (document["version"], document["stack"], document["state"]) == (VERSION, "shop", "ready")
    promised = ("name", "run", "state", "health", "pid", "container", "ports", "url", "restarts", "exit_code", "since")
    assert tuple(document["services"][0])[:13] == (*promised, "depends_on", "log")


def test_status_row_speaks_to_people() -> None:
    """Short ids, ISO times in UTC, milliseconds."""
    assert status_row(DB) == {
        "name": "db",
        "run": "container",
        "state": "ready",
        "health": "healthy",
        "pid": None,
        "container": "0123456789ab",
        "ports": [5432],
        "url": "postgresql://127.0.0.1:5432",
        "restarts": 1,
        "exit_code": 0,
        "since": "2023-11-14T22:13:20.500+00:00",
        "depends_on": ["disk"],
        "log": "/logs/db.log",
        "ready_after_s": 0.123,
        "detail": "",
        "schema": "",
    }


@pytest.mark.parametrize("field", ["since", "ready_after_s"])
def test_status_row_has_null_where_nothing_is_known(field: str) -> None:
    """Of a service that never ran."""
    assert status_row(ServiceView(name="db", run="process"))[field] is None
