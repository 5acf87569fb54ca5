"""Reads a Compose project without Docker's CLI, to the model that `docker compose config --format json` would print.

For the embedded engine, and wherever no Docker is installed. Joins files, includes, env_files and profiles; single keys
are `compose_forms`'s. Invariant: a model that is returned names every network, volume, config and secret it uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from devenv.config.check import is_enabled
from devenv.config.compose.file import SECTIONS, ComposeFile, FileReader
from devenv.config.compose.merge import merge_section, merge_service
from devenv.config.compose.values import Spec
from devenv.config.text import paths
from devenv.config.text.nodes import Document, Path
from devenv.config.text.problems import Place, Problems, suggest
from devenv.config.text.variables import Variables, load_dotenv, load_env_files
from devenv.config.values import list_one, normalise_project

_MAX_INCLUDES = 20


@dataclass(slots=True, kw_only=True)
class _Project:
    """What the files read so far amount to; `documents` tells where each service was written last."""

    name: str = ""
    services: dict[str, Spec] = field(default_factory=dict)
    sections: dict[str, Spec] = field(default_factory=lambda: {section: {} for section in SECTIONS})
    documents: dict[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainReader:
    """A `ReadCompose` without Docker; sentences about what was left open go to `notes`."""

    start: str
    notes: list[str]

    def __call__(
        self,
        *,
        files: tuple[str, ...],
        directory: str,
        project: str | None,
        profiles: tuple[str, ...],
        env_files: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> Mapping[str, object]:
        """Return the model of these files; raises ConfigError with every mistake."""
        problems = Problems(self.start)
        variables = Variables(layers=[environment])
        variables.layers.append(load_env_files(env_files, variables, problems))
        fallback = normalise_project(paths.name_of(directory)) or "default"
        variables.layers.append({"COMPOSE_PROJECT_NAME": project or fallback})
        unset: dict[str, str] = {}
        reading = _Reading(problems=problems, unset=unset)
        found = reading.read(files, directory, variables, 0)
        model = _Finish(problems=problems, project=found, profiles=profiles, variables=variables).model(
            project or normalise_project(found.name) or fallback
        )
        problems.raise_any(files[0])
        self.notes.extend(f"the variable {name} is not set and became empty ({place})" for name, place in unset.items())
        return model


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    problems: Problems
    unset: dict[str, str]

    def read(self, files: tuple[str, ...], folder: str, variables: Variables, depth: int) -> _Project:
        """Return the project of these files, later ones laid over earlier ones, with what they include."""
        reader = FileReader(problems=self.problems, lookup=variables.get, unset=self.unset)
        project = _Project()
        for path in files:
            file = reader.read(path, folder)
            if file is None:
                continue
            for index, item in enumerate(file.include):
                found = self._include(item, folder, variables, depth)
                place = file.document.place(("include", index))
                if isinstance(found, str):
                    self.problems.add(file.document.file, place, f"cannot include this: {found}")
                else:
                    self._take_in(project, found, file.document, place)
            _lay_over(project, file)
        return project

    def _include(self, item: object, folder: str, variables: Variables, depth: int) -> _Project | str:
        """Return an included project, or why it cannot be included."""
        given = item if isinstance(item, dict) else {"path": item}
        files = tuple(paths.join(folder, str(name)) for name in list_one(given.get("path")))
        missing = [path for path in files if not paths.is_file(path)]
        if missing or not files:
            return f"{self.problems.show((*missing, folder)[0])} does not exist"
        if depth >= _MAX_INCLUDES:
            return "the files include each other in a circle"
        inner_folder = paths.join(folder, str(given.get("project_directory") or paths.folder_of(files[0])))
        inner = replace(variables, layers=list(variables.layers))
        if given.get("env_file"):
            names = [paths.join(folder, str(name)) for name in list_one(given["env_file"])]
            inner.layers.append(load_env_files(names, inner, self.problems))
        else:
            inner.layers += load_dotenv(inner_folder, {}, self.problems).layers[1:]
        return self.read(files, inner_folder, inner, depth + 1)

    def _take_in(self, project: _Project, found: _Project, document: Document, place: Place) -> None:
        for name in found.services:
            if name in project.services and project.services[name] != found.services[name]:
                text = f"this defines {name}, which another included file defines too"
                self.problems.add(document.file, place, text)
        project.services.update(found.services)
        project.documents.update(found.documents)
        for section in SECTIONS:
            project.sections[section] = {**found.sections[section], **project.sections[section]}


def _lay_over(project: _Project, file: ComposeFile) -> None:
    for path in (*file.resets, *file.overrides):
        _remove(project, path)
    for path in file.resets:
        _remove(file, path)
    project.name = file.name or project.name
    for name, spec in file.services.items():
        project.services[name] = merge_service(project.services.get(name, {}), spec)
        project.documents[name] = file.document
    for section in SECTIONS:
        project.sections[section] = merge_section(project.sections[section], file.sections.get(section, {}))


def _remove(holder: "_Project | ComposeFile", path: Path) -> None:
    section, name, *rest = (str(part) for part in path)
    group: Mapping[str, object] = holder.services if section == "services" else holder.sections.get(section, {})
    owner = group.get(name) if rest else group
    if isinstance(owner, dict):
        owner.pop(rest[0] if rest else name, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finish:
    """Turns a read project into the model: profiles, env_files, names, what is unused left out."""

    problems: Problems
    project: _Project
    profiles: tuple[str, ...]
    variables: Variables

    def model(self, name: str) -> dict[str, object]:
        services: Spec = {}
        for key, spec in self.project.services.items():
            profiles = spec.get("profiles")
            if is_enabled(profiles if isinstance(profiles, list) else [], self.profiles):
                services[key] = self._service(key, spec)
        model: dict[str, object] = {"name": name, "services": services}
        for section in SECTIONS:
            used = self._used(section, services)
            if used:
                model[section] = {
                    key: _named(section, name, key, self.project.sections[section].get(key)) for key in used
                }
        return _escaped(model)  # type: ignore[return-value]

    def _service(self, name: str, spec: Spec) -> Spec:
        long = {"command": None, "entrypoint": None, **spec}
        if not long.get("image") and not long.get("build"):
            self._note(name, (), f"{name} has neither image nor build")
        environment = {**self._env_files(name, long.pop("env_file", [])), **_mapping(long.get("environment"))}
        if environment:
            long["environment"] = environment
        if "networks" not in long and not long.get("network_mode"):
            long["networks"] = {"default": None}
        return long

    def _env_files(self, name: str, files: object) -> dict[str, str]:
        present: list[str] = []
        for item in files if isinstance(files, list) else []:
            path = str(item["path"])
            if paths.is_file(path):
                present.append(path)
            elif item["required"]:
                self._note(name, ("env_file",), f"the env file {self.problems.show(path)} does not exist")
        return load_env_files(present, self.variables, self.problems)

    def _used(self, section: str, services: Spec) -> list[str]:
        """Return the resources that the services use; undefined ones are noted."""
        used: dict[str, None] = {}
        for name, spec in services.items():
            for key in _uses(section, _mapping(spec)):
                if key not in self.project.sections[section] and (section, key) != ("networks", "default"):
                    hint = suggest(key, self.project.sections[section])
                    self._note(name, (section,), f'{name} uses the {section[:-1]} "{key}", which is not defined', hint)
                used[key] = None
        return sorted(used)

    def _note(self, name: str, path: Path, message: str, hint: str = "") -> None:
        document = self.project.documents[name]
        self.problems.add(document.file, document.place(("services", name, *path)), message, hint=hint)


def _uses(section: str, spec: Mapping[str, object]) -> list[str]:
    given = spec.get(section)
    if section == "networks":
        return list(_mapping(given))
    items = [item for item in given if isinstance(item, Mapping)] if isinstance(given, list) else []
    if section == "volumes":
        items = [item for item in items if item.get("type") == "volume"]
    return [str(item["source"]) for item in items if item.get("source")]


def _named(section: str, project: str, key: str, given: object) -> Spec:
    """Return a resource with the name that the engine knows it by."""
    long = dict(_mapping(given))
    external = long.get("external")
    if isinstance(external, Mapping):
        long |= {"external": True, "name": external.get("name", key)}
    long.setdefault("name", key if long.get("external") else f"{project}_{key}")
    if section == "networks":
        long.setdefault("ipam", {})
    return long


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _escaped(value: object) -> object:
    """Return texts with `$` doubled, as Compose prints them."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
