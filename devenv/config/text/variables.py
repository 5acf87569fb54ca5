"""The variables that texts of a configuration may use, and their replacement in a whole document.

Sources, strongest first: the user's environment, the stack's `env_file`s, `.env` beside the file. Must not look at the
environment of this process. Invariant: only values are interpolated, never keys, and every mistake has its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from devenv.config.text import paths
from devenv.config.text.dotenv import read_env
from devenv.config.text.interpolate import BadVariable, Expansion
from devenv.config.text.nodes import Document, Path, Value
from devenv.config.text.problems import Place, Problems
from devenv.domain.references import find_references

DOTENV = ".env"


@dataclass(slots=True, kw_only=True)
class Variables:
    """Layers of variables, the strongest first; `files` are those read, in the order that `--env-file` wants."""

    layers: list[Mapping[str, str]]
    files: list[str] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """Return a variable's value from the strongest layer that has it."""
        return next((layer[name] for layer in self.layers if name in layer), None)

    def flat(self) -> dict[str, str]:
        """Return all of them in one mapping."""
        return {name: value for layer in reversed(self.layers) for name, value in layer.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A use of `${service.field}` in the text at `path`."""

    path: Path
    service: str
    field: str


@dataclass(slots=True, kw_only=True)
class Filled:
    """A document's data with its variables replaced."""

    data: Value
    references: list[Reference] = field(default_factory=list)
    unset: dict[str, Place] = field(default_factory=dict)


def load_dotenv(folder: str, environment: Mapping[str, str], problems: Problems) -> Variables:
    """Return the user's environment over the `.env` of `folder`, if it has one."""
    variables = Variables(layers=[environment])
    path = paths.join(folder, DOTENV)
    if paths.is_file(path) and (file := problems.open(path)):
        variables.layers.append(read_env(file, problems, variables.get))
        variables.files.append(path)
    return variables


def load_env_files(names: Iterable[str], variables: Variables, problems: Problems) -> dict[str, str]:
    """Return what these files define, the last one strongest; missing files are the caller's to note.

    Inside a file the variables of earlier ones are known, and win over its own, as with Compose.
    """
    found: dict[str, str] = {}
    known = Variables(layers=[*variables.layers, found])
    for path in names:
        if paths.is_file(path) and (file := problems.open(path)):
            found.update(read_env(file, problems, known.get))
    return found


def fill(document: Document, variables: Variables, problems: Problems, *, at: Path = ()) -> Filled:
    """Replace the variables in every text at or below `at`; references to services stay and are listed."""
    filled = Filled(data=None)
    filled.data = _Filler(document, variables, problems, filled).walk(document.data_at(at), at)
    return filled


@dataclass(slots=True)
class _Filler:
    document: Document
    variables: Variables
    problems: Problems
    filled: Filled

    def walk(self, value: Value, path: Path) -> Value:
        if isinstance(value, dict):
            return {key: self.walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item, (*path, index)) for index, item in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) and "$" in value else value

    def _text(self, text: str, path: Path) -> str:
        place = self.document.place(path)
        expansion = Expansion(self.variables.get, late=True)
        try:
            text = expansion.expand(text)
        except BadVariable as error:
            self.problems.add(self.document.file, place, str(error))
            return text.replace("$", "$$")
        for name in expansion.unset:
            self.filled.unset.setdefault(name, place)
        for service, name in find_references(text):
            self.filled.references.append(Reference(path=path, service=service, field=name))
        return text
