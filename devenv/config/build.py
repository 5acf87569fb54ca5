"""Inputs of services.yaml to services of the domain.

Must not parse: it joins what `services` and `compose` have read. Invariant: a service is built even where it has
mistakes (they are noted), so that the checks of the whole graph see every name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from devenv.config.compose.sources import ComposeSources
from devenv.config.rules import RulesReader
from devenv.config.schema.services import NOTHING_READ
from devenv.config.services import Entry, ServicesFile, check_env_files
from devenv.config.text import paths
from devenv.config.text.nodes import Path
from devenv.config.text.problems import Problems, suggest
from devenv.config.text.variables import load_env_files
from devenv.domain.model import (
    Condition,
    Dependency,
    EnvironmentRules,
    ExternalRun,
    Mark,
    OnConflict,
    Port,
    ProcessRun,
    Restart,
    Run,
    Service,
    Stop,
    TaskRun,
)
from devenv.domain.references import escape
from devenv.probes.defaults import probe_for_url

_READY_TIMEOUT_S = 60.0
_OF_COMPOSE = ("working_dir", "environment", "env_file", "profiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Builds the services of one file over those that its Compose files brought."""

    file: ServicesFile
    sources: ComposeSources
    brought: Mapping[str, Service]
    problems: Problems

    def build(self) -> dict[str, Service]:
        """Return all services of both, disabled ones too, Compose's first."""
        services = dict(self.brought)
        for entry in self.file.entries.values():
            service = self._build_one(entry)
            if service is not None:
                services[entry.name] = service
        return services

    def stack_environment(self) -> dict[str, str]:
        """Return the variables of all processes: the file's own under those of its env_files."""
        return {**self._known(self.file.stack.environment), **_escaped(self.file.shared)}

    def stack_env(self) -> EnvironmentRules | None:
        """Return what is asked of every service's variables."""
        reader = RulesReader(file=self.file, at=(), given=NOTHING_READ, problems=self.problems)
        return reader.read_env(self.file.stack.env)

    def _build_one(self, entry: Entry) -> Service | None:
        if entry.runs:
            self._check_runs(entry)
            return self._own(entry)
        if entry.name in self.brought:
            return self._add_to(self.brought[entry.name], entry)
        if entry.is_whole and entry.name not in self.sources.names:
            self._say_nothing_runs(entry)
        return None if entry.name in self.sources.names else self._placeholder(entry)

    def _placeholder(self, entry: Entry) -> Service:
        """Stand in for an entry that cannot run, so that what depends on it is not blamed."""
        run = ProcessRun(argv=(), working_dir="")
        ports, edges = self._ports(entry), self._dependencies(entry)
        return Service(name=entry.name, run=run, ports=ports, depends_on=edges, mark=self._mark(entry))

    def _own(self, entry: Entry) -> Service:
        given, ready = entry.input, entry.ready
        return Service(
            name=entry.name,
            run=self._run(entry),
            ports=self._ports(entry),
            depends_on=self._dependencies(entry),
            probes=ready.probes,
            ready_timeout_s=ready.timeout_s or _READY_TIMEOUT_S,
            restart=given.restart or Restart.NO,
            stop=self._stop(entry) or Stop(),
            profiles=given.profiles,
            schema=self._rules(entry).schema(),
            imports=self._rules(entry).imports(),
            cache=self._rules(entry).cache(),
            env=self._rules(entry).env(),
            mark=self._mark(entry),
        )

    def _rules(self, entry: Entry) -> RulesReader:
        return RulesReader(file=self.file, at=entry.path, given=entry.input, problems=self.problems)

    def _run(self, entry: Entry) -> Run:
        given = entry.input
        if given.external is not None:
            self._check_url(entry, given.external)
            return ExternalRun(url=given.external)
        folder, environment = self._working_dir(entry), self._environment(entry)
        if given.task is not None:
            return TaskRun(argv=given.task, working_dir=folder, environment=environment)
        return ProcessRun(argv=given.command or (), working_dir=folder, environment=environment)

    def _working_dir(self, entry: Entry) -> str:
        folder = self.file.absolute(entry.input.working_dir or ".")
        if not paths.is_folder(folder):
            self._note(entry, ("working_dir",), f"the folder {self.problems.show(folder)} does not exist")
        return escape(folder)

    def _environment(self, entry: Entry) -> dict[str, str]:
        files = load_env_files(check_env_files(self.file, entry, self.problems), self.file.variables, self.problems)
        return {**self.stack_environment(), **_escaped(files), **self._known(entry.input.environment)}

    def _known(self, given: Mapping[str, str | None]) -> dict[str, str]:
        """Return variables with those that have no value here taken from outside, or left out."""
        found: dict[str, str] = {}
        for name, value in given.items():
            outer = self.file.variables.get(name) if value is None else None
            if value is not None:
                found[name] = value
            elif outer is not None:
                found[name] = escape(outer)
        return found

    def _ports(self, entry: Entry) -> tuple[Port, ...]:
        found = [
            replace(port, mark=self._value_mark(entry, ("ports", index)))
            for index, ports in enumerate(entry.input.ports)
            for port in ports
        ]
        if found and entry.input.external is not None:
            self._note(entry, ("ports",), "what runs elsewhere has no ports here; its URL holds its port", at_key=True)
        return tuple(found)

    def _dependencies(self, entry: Entry) -> tuple[Dependency, ...]:
        return tuple(
            Dependency(
                service=name,
                condition=edge.condition or self._default_condition(name),
                required=edge.required,
                mark=self._edge_mark(entry, name),
            )
            for name, edge in entry.input.depends_on.items()
        )

    def _default_condition(self, name: str) -> Condition:
        target = self.file.entries.get(name)
        return Condition.COMPLETED if target and target.input.task is not None else Condition.READY

    def _edge_mark(self, entry: Entry, name: str) -> Mark:
        document, path = self.file.document, (*entry.path, "depends_on")
        names = document.data_at(path)
        if isinstance(names, list) and name in names:
            return document.mark((*path, names.index(name)))
        line, column = document.key_place((*path, name))
        return Mark(file=document.file.path, line=line, column=column)

    def _stop(self, entry: Entry) -> Stop | None:
        given = entry.input.stop
        return Stop(signal=given.signal or "", grace_s=given.grace, command=given.command) if given else None

    def _check_url(self, entry: Entry, url: str) -> None:
        """Note a URL that no probe can ask, where no other probe is given."""
        if entry.ready.probes or url.startswith("${"):
            return
        try:
            probe_for_url(url)
        except ValueError as error:
            self._note(entry, ("external",), str(error))

    def _add_to(self, service: Service, entry: Entry) -> Service:
        """Add to a Compose service what an entry without a command may add."""
        given, ready = entry.input, entry.ready
        for key in _OF_COMPOSE:
            if key in given.model_fields_set:
                self._note(entry, (key,), f"{key} of a Compose service belongs into its Compose file", at_key=True)
        added = self._dependencies(entry)
        names = {edge.service for edge in added}
        return replace(
            service,
            ports=self._conflict_answers(service, entry),
            depends_on=(*(edge for edge in service.depends_on if edge.service not in names), *added),
            probes=ready.probes,
            ready_timeout_s=ready.timeout_s or service.ready_timeout_s,
            restart=given.restart or service.restart,
            stop=self._stop(entry) or service.stop,
            schema=self._rules(entry).schema(),
            imports=self._rules(entry).imports(),
            cache=self._rules(entry).cache(),
            env=self._rules(entry).env(),
            mark=self._mark(entry),
        )

    def _conflict_answers(self, service: Service, entry: Entry) -> tuple[Port, ...]:
        """Return the published ports with the `on_conflict` that the entry gives for some."""
        ports = list(service.ports)
        for index, group in enumerate(entry.input.ports):
            for wanted in group:
                same = [at for at, port in enumerate(ports) if _is_same(port, wanted)]
                if not same:
                    self._note(entry, ("ports", index), _explain_unpublished(wanted, service))
                elif wanted.on_conflict is OnConflict.ASK:
                    text = f"port {wanted.number} comes from the Compose file; here only on_conflict can be set for it"
                    self._note(entry, ("ports", index), text, hint=f"{{port: {wanted.number}, on_conflict: move}}")
                for at in same:
                    ports[at] = replace(ports[at], on_conflict=wanted.on_conflict)
        return tuple(ports)

    def _check_runs(self, entry: Entry) -> None:
        first, *others = entry.runs
        for other in others:
            self._note(entry, (other,), f"{entry.name} has {first} and {other}; a service runs in one way", at_key=True)
        if entry.name in self.sources.names:
            where = " and ".join(self.problems.show(file) for file in self.sources.files_of(entry.name))
            text = f'"{entry.name}" is also a service of {where}; rename one, or leave out {first} to add to it'
            self._note(entry, (), text, at_key=True)

    def _say_nothing_runs(self, entry: Entry) -> None:
        near = suggest(entry.name, self.sources.names)
        files = "" if self.file.stack.compose else "; is the Compose file missing under compose:?"
        text = f"{entry.name} has no command, task or external, and no Compose file has a service of that name"
        self._note(entry, (), text + files, hint=near, at_key=True)

    def _mark(self, entry: Entry) -> Mark:
        line, column = self.file.document.key_place(entry.path)
        return Mark(file=self.file.document.file.path, line=line, column=column)

    def _value_mark(self, entry: Entry, path: Path) -> Mark:
        return self.file.document.mark((*entry.path, *path))

    def _note(self, entry: Entry, path: Path, message: str, *, hint: str = "", at_key: bool = False) -> None:
        document = self.file.document
        full = (*entry.path, *path)
        place = document.key_place(full) if at_key else document.place(full)
        self.problems.add(document.file, place, message, hint=hint)


def _escaped(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: escape(value) for name, value in variables.items()}


def _is_same(port: Port, wanted: Port) -> bool:
    return port.number == wanted.number and port.transport is wanted.transport and wanted.host in {"", port.host}


def _explain_unpublished(wanted: Port, service: Service) -> str:
    published = ", ".join(str(port.number) for port in service.ports if port.number) or "none"
    number = "auto" if wanted.number is None else wanted.number
    return f"the Compose file does not publish port {number} of {service.name} (it publishes {published})"
