"""Reads services.yaml to inputs: every key checked by itself, variables replaced, nothing resolved against others yet.

Must not know Compose's model nor the graph. Invariant: a mistake in one key leaves the other keys readable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.config.mistakes import Mistake
from devenv.config.ready import Ready, read_ready
from devenv.config.schema import NOTHING_READ, ServiceInput, StackInput, read_keys
from devenv.config.text import paths
from devenv.config.text.nodes import Document, Path
from devenv.config.text.problems import Problems
from devenv.config.text.variables import Filled, Reference, Variables, fill, load_dotenv, load_env_files
from devenv.config.values import check_name, list_one, read_filled, say

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
    if not isinstance(document.root.value, dict):
        message = f"must be a mapping with the key services, not {say(document.data)}"
        problems.add(document.file, document.root.place, message)
        return None
    folder = paths.folder_of(document.file.path)
    variables = load_dotenv(folder, environment, problems)
    env_files, shared = _load_stack_env(document, folder, variables, problems)
    filled = fill(document, variables, problems)
    assert isinstance(filled.data, dict)
    stack, mistakes = read_keys(StackInput, _without_empty(filled.data))
    _note_all(document, (), mistakes, problems)
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


def _load_stack_env(
    document: Document, folder: str, variables: Variables, problems: Problems
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Read the stack's env_files before everything else, as they define variables for the rest."""
    first = fill(document, variables, Problems(folder))  # its mistakes are found again with all variables
    written = first.data.get("env_file") if isinstance(first.data, dict) else None
    found: list[str] = []
    for index, item in enumerate(list_one(written) if written is not None else []):
        try:
            path = paths.join(folder, read_filled(item))
        except ValueError:
            continue
        found.append(path)
        _check_env_file(document, path, ("env_file", index), problems)
    shared = load_env_files(found, variables, problems)
    variables.layers.insert(1, shared)
    return tuple(found), shared


def _check_env_file(document: Document, path: str, at: Path, problems: Problems) -> None:
    if not paths.is_file(path):
        problems.add(document.file, document.place(at), f"the env file {problems.show(path)} does not exist")


def check_env_files(file: ServicesFile, entry: Entry, problems: Problems) -> list[str]:
    """Return the absolute paths of a service's env_files; missing ones are noted."""
    found = [file.absolute(path) for path in entry.input.env_file]
    for index, path in enumerate(found):
        _check_env_file(file.document, path, (*entry.path, "env_file", index), problems)
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
    read, mistakes = read_keys(ServiceInput, _without_empty(given))
    read_gate = read_ready(read.ready, lambda m: _note_all(document, (*at, "ready"), [m], problems))
    _note_all(document, at, mistakes, problems)
    broken = {mistake.loc[0] for mistake in mistakes if mistake.loc} | set(empty_runs)
    unknown = any(mistake.at_key and len(mistake.loc) == 1 for mistake in mistakes)
    return Entry(name=name, input=read, ready=read_gate, is_whole=not unknown and not broken & set(_RUNS))


def _without_empty(data: Mapping[str, object]) -> dict[str, object]:
    """Leave out keys without a value: `ports:` alone says nothing."""
    return {key: item for key, item in data.items() if item is not None}


def _note_all(document: Document, at: Path, mistakes: list[Mistake], problems: Problems) -> None:
    for mistake in mistakes:
        path = (*at, *mistake.loc)
        place = document.key_place(path) if mistake.at_key else document.place(path)
        problems.add(document.file, place, _with_key(mistake), hint=mistake.hint)


def _with_key(mistake: Mistake) -> str:
    """Begin a sentence such as `must be text` with the key that it speaks of."""
    words = [str(part) for part in mistake.loc if isinstance(part, str)]
    needs_subject = mistake.message.startswith(("must ", "needs ", "names ", "is ", "cannot "))
    return f"{words[-1]} {mistake.message}" if words and needs_subject else mistake.message


def _unset_notes(document: Document, filled: Filled) -> tuple[str, ...]:
    return tuple(
        f"the variable {name} is not set and became empty ({document.file.shown}:{place[0]})"
        for name, place in filled.unset.items()
    )
