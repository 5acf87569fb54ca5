"""Reads the Compose side of a stack, through Docker's CLI or, where there is none, with the plain reader.

Decides files, folder, project name, profiles and variables. Must not know services.yaml. Invariant: where Compose's
files are wrong, the names in them are still known, so that nothing else is blamed for it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.config.compose.model import WARNINGS, ReadCompose, services_of
from devenv.config.compose.sources import ComposeSources, read_sources
from devenv.config.compose.words import explain_docker
from devenv.config.text import paths
from devenv.config.text.problems import Problems
from devenv.config.text.variables import Variables
from devenv.domain.errors import ConfigError
from devenv.domain.model import ComposeProject, ContainerRun, Port, Service

_DECIDED_HERE = (
    "COMPOSE_FILE",
    "COMPOSE_PROFILES",
    "COMPOSE_PROJECT_NAME",
    "COMPOSE_ENV_FILES",
    "COMPOSE_PATH_SEPARATOR",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which Compose files to read and how; paths are absolute."""

    files: tuple[str, ...]
    project: str | None
    profiles: tuple[str, ...]
    env_files: tuple[str, ...]
    environment: Mapping[str, str]
    start: str

    @property
    def directory(self) -> str:
        """Return the folder that relative paths of the files start from."""
        return paths.folder_of(self.files[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found; `project` is None where the files are wrong."""

    project: ComposeProject | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    sources: ComposeSources = field(default_factory=ComposeSources)
    notes: tuple[str, ...] = ()


def read_project(question: Question, read_compose: ReadCompose | None, problems: Problems) -> Answer:
    """Read the project; mistakes are noted, and the services then stand in without details."""
    sources = read_sources(question.files, question.start)
    for document in sources.documents:
        problems.know(document.file)
    notes: list[str] = []
    environment = {key: text for key, text in question.environment.items() if key not in _DECIDED_HERE}
    try:
        model = (read_compose or _plain_reader(problems, notes))(
            files=question.files,
            directory=question.directory,
            project=question.project,
            profiles=question.profiles,
            env_files=question.env_files,
            environment=environment,
        )
    except ConfigError as error:
        problems.extend(sources.diagnostics)
        problems.extend(error.diagnostics)
        if not sources.diagnostics and not error.diagnostics:
            explain_docker(error, question.files, sources, problems)
        return Answer(services={name: _stand_in(name, sources) for name in sources.names}, sources=sources)
    warned = model.get(WARNINGS)
    notes += [str(text) for text in warned] if isinstance(warned, list) else []
    project = ComposeProject(
        name=str(model.get("name", "")),
        files=question.files,
        directory=question.directory,
        profiles=question.profiles,
        env_files=question.env_files,
        environment=environment,
        model={key: value for key, value in model.items() if key != WARNINGS},
    )
    return Answer(project=project, services=services_of(model, sources), sources=sources, notes=tuple(notes))


def choose_files(folder: str, found: str, variables: Variables, problems: Problems) -> tuple[str, ...]:
    """Return the Compose files of a folder: those of COMPOSE_FILE, else the one found with its override file."""
    chosen = variables.get("COMPOSE_FILE")
    if chosen:
        separator = variables.get("COMPOSE_PATH_SEPARATOR") or os.pathsep
        files = tuple(paths.join(folder, part) for part in chosen.split(separator) if part)
        for path in files:
            if not paths.is_file(path):
                problems.add_bare(path, "does not exist; COMPOSE_FILE names it")
        return files
    stem = paths.stem_of(found)
    overrides = (paths.join(folder, f"{stem}.override{end}") for end in (".yml", ".yaml"))
    return (found, *[path for path in overrides if paths.is_file(path)][:1])


def _stand_in(name: str, sources: ComposeSources) -> Service:
    """Return a service of files that could not be read, with a port that any reference may mean."""
    return Service(name=name, run=ContainerRun(image=""), ports=(Port(number=None),), mark=sources.mark(name))


def _plain_reader(problems: Problems, notes: list[str]) -> ReadCompose:
    from devenv.config.compose.plain import PlainReader  # noqa: PLC0415 - only where Docker's CLI is absent

    return PlainReader(start=problems.start, notes=notes)
