"""Compose files as they are written: where each service stands, and which profiles it has.

For places in messages and for services that a profile switches off; what the files mean is `docker compose`'s or
`compose_plain`'s to say. Invariant: a file that cannot be read here is no mistake here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from devenv.config.text import paths
from devenv.config.text.nodes import Document
from devenv.config.text.problems import Problems
from devenv.config.text.source import read_yaml
from devenv.domain.errors import Diagnostic
from devenv.domain.model import Mark

OWN_TAGS = frozenset({"!reset", "!override"})
_MAX_FILES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeSources:
    """All Compose files of a stack, included ones too."""

    documents: tuple[Document, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = field(default=())
    """What is wrong with them as YAML."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all services, disabled ones too, in the order of the files."""
        return tuple(dict.fromkeys(name for document in self.documents for name in _services(document)))

    def files_of(self, name: str) -> list[str]:
        """Return the files that define a service."""
        return [document.file.path for document in self.documents if name in _services(document)]

    def profiles_of(self, name: str) -> tuple[str, ...]:
        """Return the profiles that a service asks for; texts with variables are not replaced."""
        found: list[str] = []
        for document in self.documents:
            service = _services(document).get(name)
            given = service.get("profiles") if isinstance(service, dict) else None
            found += [str(item) for item in given] if isinstance(given, list) else []
        return tuple(dict.fromkeys(found))

    def mark(self, name: str, *path: str | int) -> Mark | None:
        """Return the place of a part of a service, of the service where it has no such part, None without both."""
        holders = [document for document in self.documents if name in _services(document)]
        if not holders:
            return None
        deep = [document for document in holders if document.has(("services", name, *path))]
        document = (deep or holders)[-1]
        line, column = document.key_place(("services", name, *path) if deep else ("services", name))
        return Mark(file=document.file.path, line=line, column=column)

    def port_mark(self, name: str, number: int | None) -> Mark | None:
        """Return the place of the entry that publishes a port."""
        for document in self.documents:
            ports = document.data_at(("services", name, "ports"))
            for index, item in enumerate(ports if isinstance(ports, list) else ()):
                if number is not None and str(number) in str(item):
                    return document.mark(("services", name, "ports", index))
        return self.mark(name, "ports")

    def edge_mark(self, name: str, target: str) -> Mark | None:
        """Return the place of a dependency."""
        for document in self.documents:
            edges = document.data_at(("services", name, "depends_on"))
            if isinstance(edges, list) and target in edges:
                return document.mark(("services", name, "depends_on", edges.index(target)))
        return self.mark(name, "depends_on", target)


def read_sources(files: Iterable[str], start: str) -> ComposeSources:
    """Read Compose files and what they include by plain paths; mistakes are kept, not raised."""
    problems = Problems(start)
    todo, documents = list(files), dict[str, Document]()
    while todo and len(documents) < _MAX_FILES:
        path = todo.pop(0)
        if path in documents or not paths.is_file(path):
            continue
        file = problems.open(path)
        document = read_yaml(file, problems, own_tags=OWN_TAGS) if file else None
        if document:
            documents[path] = document
            todo += _included(document)
    return ComposeSources(documents=tuple(documents.values()), diagnostics=problems.found)


def _included(document: Document) -> list[str]:
    folder = paths.folder_of(document.file.path)
    found: list[str] = []
    given = document.data_at(("include",))
    for item in given if isinstance(given, list) else ():
        named = item.get("path") if isinstance(item, dict) else item
        names: Sequence[object] = named if isinstance(named, list) else [named]
        found += [paths.join(folder, name) for name in names if isinstance(name, str)]
    return found


def _services(document: Document) -> dict[str, object]:
    services = document.data_at(("services",))
    return dict(services) if isinstance(services, dict) else {}
