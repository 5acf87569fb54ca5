"""A parsed file: plain data, and the place of every key and value in it.

Must not know YAML's syntax nor what the data means. Invariant: a path that leads nowhere is answered with the deepest
place that exists, so that every mistake has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from devenv.config.text.problems import Place, TextFile
from devenv.config.text.scalars import Scalar
from devenv.domain.model import Mark

Path = tuple[str | int, ...]
Value = Scalar | list["Value"] | dict[str, "Value"]


@dataclass(slots=True, kw_only=True)
class Node:
    """A value at its place; `size` counts what it expands to, `tag` is a tag of the user's own (`!reset`)."""

    place: Place
    value: "Scalar | list[Node] | dict[str, Node]"
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A YAML file that could be parsed."""

    file: TextFile
    root: Node

    @property
    def data(self) -> Value:
        """Return the plain data, new at each call."""
        return to_data(self.root)

    def data_at(self, path: Sequence[str | int]) -> Value:
        """Return the plain data at exactly `path`, None where there is none."""
        node = self._find(path)
        return to_data(node) if node else None

    def has(self, path: Sequence[str | int]) -> bool:
        """Tell whether there is a value at exactly `path`."""
        return self._find(path) is not None

    def place(self, path: Sequence[str | int]) -> Place:
        """Return the place of the value at `path`, or of the deepest part of it that exists.

        A part that leads nowhere (a name that only the schema knows) is passed over.
        """
        return self._walk(path)[0]

    def key_place(self, path: Sequence[str | int]) -> Place:
        """Return the place of the key that ends `path`; without such a key as `place`."""
        return self._walk(path)[1]

    def mark(self, path: Sequence[str | int]) -> Mark:
        """Return the place of the value at `path` for the domain."""
        line, column = self.place(path)
        return Mark(file=self.file.path, line=line, column=column)

    def _find(self, path: Sequence[str | int]) -> "Node | None":
        node: Node | None = self.root
        for part in path:
            if node and isinstance(node.value, dict):
                node = node.value.get(str(part))
            elif node and isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                return None
        return node

    def _walk(self, path: Sequence[str | int]) -> tuple[Place, Place]:
        node, key = self.root, self.root.place
        for part in path:
            if isinstance(node.value, dict) and str(part) in node.value:
                key = node.keys.get(str(part), node.place)
                node = node.value[str(part)]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                key = node.place
        return node.place, key


def to_data(node: Node) -> Value:
    """Return the plain data of a node."""
    if isinstance(node.value, dict):
        return {key: to_data(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [to_data(child) for child in node.value]
    return node.value
