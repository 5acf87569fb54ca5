"""Reads one Compose file by itself: variables, known keys, long forms, `extends`.

For machines without Docker's CLI. Must not merge files. Invariant: what cannot be honoured is noted as
a mistake with its place, never dropped without a word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.config.compose.forms import AS_WRITTEN, READERS, Surroundings, normalise_service
from devenv.config.compose.merge import merge_service
from devenv.config.compose.sources import OWN_TAGS
from devenv.config.compose.values import Spec, as_plain
from devenv.config.text import paths
from devenv.config.text.interpolate import BadVariable, Expansion, Lookup
from devenv.config.text.nodes import Document, Node, Path, Value
from devenv.config.text.problems import Problems, suggest
from devenv.config.text.source import read_yaml
from devenv.config.values import say

SECTIONS = ("networks", "volumes", "configs", "secrets")
_TOP = frozenset({"name", "version", "include", "services", *SECTIONS})
_KNOWN = frozenset({*READERS, *AS_WRITTEN})


@dataclass(slots=True, kw_only=True)
class ComposeFile:
    """One file in long forms; `resets` and `overrides` are the paths that its tags mark."""

    document: Document
    name: str = ""
    include: list[object] = field(default_factory=list)
    services: dict[str, Spec] = field(default_factory=dict)
    sections: dict[str, Spec] = field(default_factory=dict)
    resets: list[Path] = field(default_factory=list)
    overrides: list[Path] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class FileReader:
    """Reads files with one set of variables; `unset` collects those that had no value, with their place."""

    problems: Problems
    lookup: Lookup
    unset: dict[str, str]

    def read(self, path: str, folder: str) -> ComposeFile | None:
        """Return a file whose relative paths start from `folder`; mistakes are noted."""
        document = self._parse(path)
        if document is None:
            return None
        data = self._fill(document, document.data, ())
        if not isinstance(data, dict):
            self.problems.add(document.file, (1, 1), f"must be a mapping with the key services, not {say(data)}")
            return None
        file = ComposeFile(document=document, name=str(data.get("name") or ""))
        self._check_top(document, data)
        include = data.get("include")
        file.include = list(include) if isinstance(include, list) else []
        around = Surroundings(folder=folder, lookup=self.lookup)
        for name in self._mapping(document, data, "services"):
            service = self._service(document, data, name, around, ())
            if service is not None:
                file.services[name] = service
        for section in SECTIONS:
            found = self._mapping(document, data, section)
            file.sections[section] = {name: self._resource(item, around) for name, item in found.items()}
        self._read_tags(file)
        return file

    def _parse(self, path: str) -> Document | None:
        text = self.problems.open(path)
        return read_yaml(text, self.problems, own_tags=OWN_TAGS) if text else None

    def _fill(self, document: Document, value: Value, path: Path) -> Value:
        """Replace the variables in every text."""
        if isinstance(value, dict):
            return {key: self._fill(document, item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._fill(document, item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        expansion, place = Expansion(self.lookup), document.place(path)
        try:
            value = expansion.expand(value)
        except BadVariable as error:
            self.problems.add(document.file, place, str(error))
        for name in expansion.unset:
            self.unset.setdefault(name, f"{document.file.shown}:{place[0]}")
        return value

    def _check_top(self, document: Document, data: Mapping[str, Value]) -> None:
        for key in data:
            if key not in _TOP and not key.startswith("x-"):
                place = document.key_place((key,))
                self.problems.add(
                    document.file, place, f'the key "{key}" is unknown to Compose', hint=suggest(key, _TOP)
                )

    def _mapping(self, document: Document, data: Mapping[str, Value], key: str) -> dict[str, Value]:
        value = data.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problems.add(document.file, document.place((key,)), f"{key} must be a mapping, not {say(value)}")
            return {}
        return value

    def _service(
        self, document: Document, data: Mapping[str, Value], name: str, around: Surroundings, seen: Path
    ) -> Spec | None:
        given = self._mapping(document, data, "services").get(name)
        at = ("services", name)
        if not isinstance(given, dict):
            self.problems.add(document.file, document.place(at), f"{name} must be a mapping, not {say(given)}")
            return None
        for key in given:
            if key not in _KNOWN and not key.startswith("x-"):
                place = document.key_place((*at, key))
                hint = suggest(key, _KNOWN)
                self.problems.add(document.file, place, f'the key "{key}" is unknown to Compose', hint=hint)

        def note(key: str, sentence: str) -> None:
            words = f"{key} {sentence}" if sentence.startswith("must ") else sentence
            self.problems.add(document.file, document.place((*at, key)), words)

        own: Spec = {key: item for key, item in given.items() if key != "extends" and not key.startswith("x-")}
        long = normalise_service(own, around, note)
        if "extends" not in given:
            return long
        base = self._base(document, data, name, around, (*seen, document.file.path, name))
        return merge_service(base, long)

    def _base(self, document: Document, data: Mapping[str, Value], name: str, around: Surroundings, seen: Path) -> Spec:
        """Return the service that `name` extends, in long form."""
        at = ("services", name, "extends")
        services = self._mapping(document, data, "services")
        owner = services[name]
        given = owner.get("extends") if isinstance(owner, dict) else None
        link: Mapping[str, Value] = given if isinstance(given, dict) else {"service": given}
        target, other = link.get("service"), link.get("file")
        if not isinstance(target, str):
            self.problems.add(document.file, document.place(at), 'extends needs "service"')
            return {}
        if isinstance(other, str):
            path = paths.join(around.folder, other)
            found = self._parse(path)
            if found is None:
                return {}
            filled = self._fill(found, found.data, ())
            document, data = found, filled if isinstance(filled, dict) else {}
            around = Surroundings(folder=paths.folder_of(path), lookup=self.lookup)
        if any(seen[index : index + 2] == (document.file.path, target) for index in range(0, len(seen), 2)):
            self.problems.add(document.file, document.place(at), f"{target} extends itself in a circle")
            return {}
        if target not in self._mapping(document, data, "services"):
            place = document.place(at)
            self.problems.add(document.file, place, f'"{target}" is extended but not defined in {document.file.shown}')
            return {}
        return self._service(document, data, target, around, seen) or {}

    def _resource(self, value: Value, around: Surroundings) -> object:
        """Return a network, volume, config or secret with its file as an absolute path."""
        if not isinstance(value, dict):
            return {}
        long = as_plain(value)
        assert isinstance(long, dict)
        if isinstance(long.get("file"), str):
            long["file"] = around.path(str(long["file"]))
        return long

    def _read_tags(self, file: ComposeFile) -> None:
        for path, tag in _tagged(file.document.root, ()):
            if len(path) not in {2, 3} or not all(isinstance(part, str) for part in path):
                text = f"without Docker's CLI, {tag} works only on a service, a key of a service or a resource"
                self.problems.add(file.document.file, file.document.place(path), text)
            elif tag == "!reset":
                file.resets.append(path)
            else:
                file.overrides.append(path)


def _tagged(node: Node, path: Path) -> list[tuple[Path, str]]:
    found = [(path, node.tag)] if node.tag else []
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            found += _tagged(child, (*path, key))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            found += _tagged(child, (*path, index))
    return found
