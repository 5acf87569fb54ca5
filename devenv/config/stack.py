"""Reads services.yaml, or a folder that has only Compose files, to a Stack.

The order of reading: text, variables, keys, Compose, services, what holds between them. Must not know single keys.
Invariant: nothing is raised before all files were looked at.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.config.check import Checker, check_references
from devenv.config.compose.model import ReadCompose
from devenv.config.compose.project import Answer, Question, choose_files, read_project
from devenv.config.request import Request
from devenv.config.text import paths
from devenv.config.text.problems import Problems, suggest
from devenv.config.text.source import read_yaml
from devenv.config.text.variables import Variables, load_dotenv
from devenv.config.values import normalise_project, read_project_name
from devenv.domain.errors import ConfigError, UsageError
from devenv.domain.model import EngineChoice, Service, Stack

if TYPE_CHECKING:
    from devenv.config.services import ServicesFile


def load_services(path: str, request: Request, read_compose: ReadCompose | None) -> Stack:
    """Read services.yaml and the Compose files that it names; raises ConfigError."""
    from devenv.config.build import Builder  # noqa: PLC0415 - pydantic's models: 60 ms that Compose files do not need
    from devenv.config.cleaning import read_clean  # noqa: PLC0415
    from devenv.config.repositories import read_git  # noqa: PLC0415
    from devenv.config.services import read_services  # noqa: PLC0415

    problems = Problems(request.start)
    text = problems.open(path)
    document = read_yaml(text, problems) if text else None
    file = read_services(document, request.environment, problems) if document else None
    if file is None:
        problems.raise_any(path)
        raise ConfigError(f"cannot use {problems.show(path)}", why="nothing in it can be read")
    name = request.project or file.stack.name or _folder_name(file.folder)
    profiles = chosen_profiles(request, file.variables)
    answer = _read_named_compose(file, name, request, read_compose, problems)
    builder = Builder(file=file, sources=answer.sources, brought=answer.services, problems=problems)
    services = builder.build()
    if not file.stack.services and not answer.sources.names:
        problems.add(file.document.file, file.document.key_place(("services",)), "defines no services")
    checked = Checker(services=services, sources=answer.sources, profiles=profiles, problems=problems).check()
    marked = [(file.document.mark(reference.path), reference) for reference in file.references]
    check_references(marked, services, checked, problems)
    env = builder.stack_env()
    git = read_git(file.document, file.stack.git, problems)
    clean = read_clean(file.document, file.stack.clean, problems)
    problems.raise_any(path)
    return Stack(
        name=_checked_name(name),
        root=file.folder,
        files=_files(path, answer, file),
        services=checked.services,
        compose=answer.project,
        engine=request.engine or file.stack.engine or EngineChoice.AUTO,
        environment=builder.stack_environment(),
        env=env,
        variables=file.variables.flat(),
        git=git,
        clean=clean,
        notes=(*file.notes, *answer.notes, *_profile_notes(profiles, services, answer)),
    )


def load_compose(path: str, request: Request, read_compose: ReadCompose | None) -> Stack:
    """Read a folder that has only Compose files; raises ConfigError."""
    problems = Problems(request.start)
    folder = paths.folder_of(path)
    variables = load_dotenv(folder, request.environment, problems)
    profiles = chosen_profiles(request, variables)
    files = (path,) if request.file else choose_files(folder, path, variables, problems)
    question = Question(
        files=files or (path,),
        project=request.project or variables.get("COMPOSE_PROJECT_NAME") or None,
        profiles=profiles,
        env_files=_own_env_files(folder, variables, request.environment),
        environment=request.environment,
        start=request.start,
    )
    answer = read_project(question, read_compose, problems)
    checked = Checker(services=answer.services, sources=answer.sources, profiles=("*",), problems=problems).check()
    problems.raise_any(path)
    project = answer.project
    assert project is not None
    return Stack(
        name=project.name,
        root=folder,
        files=_files(path, answer, None, *question.env_files),
        services=checked.services,
        compose=project,
        engine=request.engine or EngineChoice.AUTO,
        notes=(*answer.notes, *_profile_notes(profiles, answer.services, answer)),
    )


def chosen_profiles(request: Request, variables: Variables) -> tuple[str, ...]:
    """Return the active profiles: the command line's, else those of COMPOSE_PROFILES."""
    listed = (variables.get("COMPOSE_PROFILES") or "").split(",")
    return request.profiles or tuple(word.strip() for word in listed if word.strip())


def _read_named_compose(
    file: "ServicesFile", name: str, request: Request, read_compose: ReadCompose | None, problems: Problems
) -> Answer:
    named = [file.absolute(name) for name in file.stack.compose]
    present = [path for path in named if paths.is_file(path)]
    for index, path in enumerate(named):
        if path not in present:
            message = f"the Compose file {problems.show(path)} does not exist"
            problems.add(file.document.file, file.document.place(("compose", index)), message)
    if not present:
        return Answer()
    beside = paths.join(paths.folder_of(present[0]), ".env")
    env_files = [beside] if paths.is_file(beside) and beside not in file.variables.files else []
    question = Question(
        files=tuple(present),
        project=normalise_project(name) or "stack",
        profiles=chosen_profiles(request, file.variables),
        env_files=(*env_files, *file.variables.files, *(path for path in file.env_files if paths.is_file(path))),
        environment=request.environment,
        start=request.start,
    )
    return read_project(question, read_compose, problems)


def _own_env_files(folder: str, variables: Variables, environment: Mapping[str, str]) -> tuple[str, ...]:
    listed = environment.get("COMPOSE_ENV_FILES", "")
    chosen = tuple(paths.join(folder, part) for part in listed.split(",") if part)
    return chosen or tuple(variables.files)


def _folder_name(folder: str) -> str:
    return normalise_project(paths.name_of(folder)) or "stack"


def _checked_name(name: str) -> str:
    try:
        return read_project_name(name.replace("$", "$$"))
    except ValueError as error:
        raise UsageError("cannot use this project name", why=str(error), fix="devenv -p NAME …") from None


def _files(path: str, answer: Answer, file: "ServicesFile | None", *more: str) -> tuple[str, ...]:
    found = [path, *(document.file.path for document in answer.sources.documents)]
    if file:
        found += [*file.variables.files, *file.env_files]
        found += [file.absolute(name) for entry in file.entries.values() for name in entry.input.env_file]
    return tuple(dict.fromkeys((*found, *more)))


def _profile_notes(profiles: Sequence[str], services: Mapping[str, Service], answer: Answer) -> tuple[str, ...]:
    known = {profile for service in services.values() for profile in service.profiles}
    known |= {profile for name in answer.sources.names for profile in answer.sources.profiles_of(name)}
    unknown = [profile for profile in profiles if profile != "*" and profile not in known]
    return tuple(
        f"no service has the profile {profile}" + (f"; {near}" if (near := suggest(profile, known)) else "")
        for profile in unknown
    )
