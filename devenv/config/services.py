"""Reads services.yaml to inputs: every key checked by itself, variables replaced, nothing resolved against others yet.

Must not know Compose's model nor the graph. Invariant: a mistake in one key leaves the other keys readable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.config.mistakes import note_all
from devenv.config.opening import check_env_file, check_mapping, load_variables
from devenv.config.ready import Ready, read_ready
from devenv.config.schema.keys import read_keys
from devenv.config.schema.services import NOTHING_READ, ServiceInput, StackInput
from devenv.config.text import paths
from devenv.config.text.nodes import Document, Path
from devenv.config.text.problems import Problems
from devenv.config.text.variables import Filled, Reference, Variables, fill
from devenv.config.values import check_name, say

_RUNS = ("command", "task", "external")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One service as it is written."""

    name: str
    input: ServiceInput
    ready: Ready
    is_whole: bool
    """Whether its way to run could be read; where not, nothing more is said about what it lacks."""

    @property
    def runs(self) -> tuple[str, ...]:
        """Return which of command, task and external it has."""
        return tuple(key for key in _RUNS if getattr(self.input, key) is not None)

    @property
    def path(self) -> Path:
        """Return where it is in the document."""
        return ("services", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesFile:
    """services.yaml, read."""

    document: Document
    stack: StackInput
    entries: Mapping[str, Entry]
    variables: Variables
    env_files: tuple[str, ...]
    shared: Mapping[str, str]
    """What the stack's env_file defines, for all processes."""
    references: tuple[Reference, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def folder(self) -> str:
        """Return the folder that relative paths start from."""
        return paths.folder_of(self.document.file.path)

    def absolute(self, path: str) -> str:
        """Return a path of this file as an absolute one."""
        return paths.join(self.folder, path)


def read_services(document: Document, environment: Mapping[str, str], problems: Problems) -> ServicesFile | None:
    """Read the whole file; mistakes are noted. None where it is no mapping at all."""
    if not check_mapping(document, problems):
        return None
    variables, env_files, shared = load_variables(document, environment, problems)
    filled = fill(document, variables, problems)
    assert isinstance(filled.data, dict)
    stack, mistakes = read_keys(StackInput, filled.data)
    note_all(document, (), mistakes, problems)
    return ServicesFile(
        document=document,
        stack=stack,
        entries=_read_entries(document, stack.services, problems),
        variables=variables,
        env_files=env_files,
        shared=shared,
        references=tuple(filled.references),
        notes=_unset_notes(document, filled),
    )


def check_env_files(file: ServicesFile, entry: Entry, problems: Problems) -> list[str]:
    """Return the absolute paths of a service's env_files; missing ones are noted."""
    found = [file.absolute(path) for path in entry.input.env_file]
    for index, path in enumerate(found):
        check_env_file(file.document, path, (*entry.path, "env_file", index), problems)
    return found


def _read_entries(document: Document, services: object, problems: Problems) -> dict[str, Entry]:
    if services is None:
        return {}
    if not isinstance(services, dict):
        problems.add(
            document.file, document.place(("services",)), f"must be a mapping of services, not {say(services)}"
        )
        return {}
    entries: dict[str, Entry] = {}
    for name, value in services.items():
        try:
            check_name(name)
        except ValueError as error:
            problems.add(document.file, document.key_place(("services", name)), str(error))
        entries[name] = _read_entry(document, name, value, problems)
    return entries


def _read_entry(document: Document, name: str, value: object, problems: Problems) -> Entry:
    at = ("services", name)
    if value is not None and not isinstance(value, dict):
        message = f"must be a mapping of keys to values, not {say(value)}"
        problems.add(document.file, document.place(at), message)
        return Entry(name=name, input=NOTHING_READ, ready=Ready(), is_whole=False)
    given = value or {}
    empty_runs = [key for key in _RUNS if key in given and given[key] is None]
    for key in empty_runs:
        problems.add(document.file, document.key_place((*at, key)), f"{key} is empty")
    read, mistakes = read_keys(ServiceInput, given)
    read_gate = read_ready(read.ready, lambda m: note_all(document, (*at, "ready"), [m], problems))
    note_all(document, at, mistakes, problems)
    broken = {mistake.loc[0] for mistake in mistakes if mistake.loc} | set(empty_runs)
    unknown = any(mistake.at_key and len(mistake.loc) == 1 for mistake in mistakes)
    return Entry(name=name, input=read, ready=read_gate, is_whole=not unknown and not broken & set(_RUNS))


def _unset_notes(document: Document, filled: Filled) -> tuple[str, ...]:
    return tuple(
        f"the variable {name} is not set and became empty ({document.file.shown}:{place[0]})"
        for name, place in filled.unset.items()
    )
