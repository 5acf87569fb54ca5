"""YAML text to plain data, with the place of every key and value.

The only module that knows YAML. It must not know what the data means. Invariant: scalars are read as they are written
(only true, false, null and numbers become other than text: `22:22` and `on` stay text), and depth and size of the
result are bounded whatever aliases do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import yaml
from yaml import events as ev

from devenv.config.text.nodes import Document, Node
from devenv.config.text.problems import Place, Problems, TextFile
from devenv.config.text.scalars import Scalar, resolve_scalar

MAX_DEPTH = 60
MAX_NODES = 50_000


def read_yaml(file: TextFile, problems: Problems, *, own_tags: frozenset[str] = frozenset()) -> Document | None:
    """Parse a file; syntax errors, duplicate keys and unknown tags are noted. None where nothing is left to look at."""
    if _has_control_characters(file, problems):
        return None
    composer = _Composer(file, problems, own_tags)
    try:
        root = composer.compose(yaml.parse(file.text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if place[0] > len(file.lines):  # the end of the text; its last line is what can be looked at
            place = (len(file.lines), len(file.line(len(file.lines))) + 1)
        words = ", ".join(part for part in (error.context, error.problem) if part)
        problems.add(file, place, f"is not valid YAML: {words}", hint=_hint_for(file.line(place[0])))
        return None
    except yaml.YAMLError as error:
        problems.add_bare(file.path, f"is not valid YAML: {error}".splitlines()[0])
        return None
    except _TooMuch as error:
        problems.add(file, error.place, str(error))
        return None
    return Document(file=file, root=root) if root else None


_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _has_control_characters(file: TextFile, problems: Problems) -> bool:
    found = _CONTROL.search(file.text)
    if found is None:
        return False
    before = file.text[: found.start()]
    place = (before.count("\n") + 1, found.start() - before.rfind("\n"))
    problems.add(file, place, f"is not a text file: it holds the control character {ord(found[0]):#04x}")
    return True


def _hint_for(line: str) -> str:
    return "YAML indents with spaces, not with tabs" if "\t" in line[: len(line) - len(line.lstrip())] else ""


class _TooMuch(Exception):
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; `key` waits for its value, `merged` holds what `<<` brought."""

    node: Node
    anchor: str | None
    key: tuple[str, Place] | None = None
    merged: list[Node] = field(default_factory=list)


class _Composer:
    """Builds nodes from events without recursion, so that nesting cannot exhaust a stack."""

    def __init__(self, file: TextFile, problems: Problems, own_tags: frozenset[str]) -> None:
        self._file = file
        self._problems = problems
        self._own_tags = own_tags
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None

    def compose(self, stream: Iterator[ev.Event]) -> Node | None:
        """Return the root; notes an empty file and a second document."""
        documents = 0
        for event in stream:
            if isinstance(event, ev.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problems.add(self._file, _place(event), "holds a second YAML document; only one is allowed")
                    break
            self._take(event)
        if self._root is None or self._root.value is None:
            self._problems.add(self._file, (1, 1), "is empty")
            return None
        return self._root

    def _take(self, event: ev.Event) -> None:
        if isinstance(event, ev.ScalarEvent):
            node = Node(place=_place(event), value=_scalar(event), tag=self._tag_of(event))
            self._add(node, event.anchor, key_text=event.value, plain=event.implicit[0])
        elif isinstance(event, ev.AliasEvent):
            self._add(self._follow(event), None)
        elif isinstance(event, ev.CollectionStartEvent):
            empty: list[Node] | dict[str, Node] = {} if isinstance(event, ev.MappingStartEvent) else []
            if len(self._open) >= MAX_DEPTH:
                raise _TooMuch(_place(event), f"is nested more than {MAX_DEPTH} levels deep")
            node = Node(place=_place(event), value=empty, tag=self._tag_of(event))
            self._open.append(_Open(node, event.anchor))
        elif isinstance(event, ev.CollectionEndEvent):
            self._close()

    def _close(self) -> None:
        opened = self._open.pop()
        node = opened.node
        if isinstance(node.value, dict):
            for source in opened.merged:
                self._merge(node, source)
        self._add(node, opened.anchor)

    def _add(self, node: Node, anchor: str | None, *, key_text: str | None = None, plain: bool = False) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.node.size += node.size
        if parent.node.size > MAX_NODES:
            raise _TooMuch(node.place, f"expands to more than {MAX_NODES} values")
        if isinstance(parent.node.value, list):
            parent.node.value.append(node)
        elif parent.key is None:
            parent.key = (self._key_of(node, key_text), node.place)
            if plain and key_text == "<<":
                parent.key = ("<<", (0, 0))
        else:
            self._put(parent, node)

    def _put(self, parent: _Open, node: Node) -> None:
        assert parent.key is not None
        assert isinstance(parent.node.value, dict)
        (key, place), parent.key = parent.key, None
        if place == (0, 0):
            parent.merged.extend(node.value if isinstance(node.value, list) else [node])
            return
        if key in parent.node.value:
            first = parent.node.keys[key][0]
            self._problems.add(self._file, place, f'the key "{key}" is given twice; the first is in line {first}')
            return
        parent.node.value[key] = node
        parent.node.keys[key] = place

    def _key_of(self, node: Node, text: str | None) -> str:
        if text is not None:
            return text
        if isinstance(node.value, list | dict):
            self._problems.add(self._file, node.place, "a key must be text, not a list or mapping")
            return "?"
        return str(node.value)

    def _merge(self, node: Node, source: Node) -> None:
        assert isinstance(node.value, dict)
        if not isinstance(source.value, dict):
            self._problems.add(self._file, source.place, '"<<" merges mappings only')
            return
        for key, child in source.value.items():
            if key not in node.value:
                node.value[key] = child
                node.keys[key] = source.keys[key]

    def _follow(self, event: ev.AliasEvent) -> Node:
        name = event.anchor or ""
        if any(opened.anchor == name for opened in self._open):
            raise _TooMuch(_place(event), f"*{name} contains itself")
        if name not in self._anchors:
            raise _TooMuch(_place(event), f"*{name} refers to an anchor that is not defined above")
        return replace(self._anchors[name], place=_place(event))

    def _tag_of(self, event: ev.ScalarEvent | ev.CollectionStartEvent) -> str:
        tag = event.tag or ""
        if tag in {"", "!"} or tag.startswith("tag:yaml.org,2002:"):
            return ""
        if tag not in self._own_tags:
            self._problems.add(self._file, _place(event), f"the tag {tag} means nothing here")
        return tag


def _place(event: ev.Event) -> Place:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _scalar(event: ev.ScalarEvent) -> Scalar:
    tag = event.tag or ""
    is_typed = event.implicit[0] or (tag.startswith("tag:yaml.org,2002:") and not tag.endswith(":str"))
    return resolve_scalar(event.value) if is_typed else event.value
