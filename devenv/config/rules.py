"""Reads what a service is checked for beyond its probes: `schema:`, `import:`, `cache:` and `env:`.

Must not check anything itself: it turns inputs into the domain's rules. Invariant: files that the rules name (`accept`,
`.env.example`) are read here, so that a mistake in one has its place like any other.
"""

from dataclasses import dataclass, replace

from devenv.config.schema.services import EnvInput, ServiceInput
from devenv.config.services import ServicesFile
from devenv.config.text import paths
from devenv.config.text.nodes import Path
from devenv.config.text.problems import Problems
from devenv.config.text.source import read_yaml
from devenv.config.text.variables import Variables, load_env_files
from devenv.domain.model import CacheRules, EnvironmentRules, OnDrift, SchemaRules
from devenv.domain.references import escape
from devenv.schema.accepted import read_accepted

_EXAMPLE = ".env.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesReader:
    """Reads the rules of the entry at `at`; `given` is that entry."""

    file: ServicesFile
    at: Path
    given: ServiceInput
    problems: Problems

    def schema(self) -> SchemaRules | None:
        """Return how its database is checked, None where it is not."""
        given = self.given.schema_
        if given is None:
            return None
        accept = self.file.absolute(given.accept) if given.accept else ""
        if given.auto_migrate and not given.migrate:
            place = self.file.document.key_place((*self.at, "schema", "auto_migrate"))
            text = "auto_migrate needs migrate: the command that `up` may run"
            self.problems.add(self.file.document.file, place, text, hint="migrate: alembic upgrade head")
        return SchemaRules(
            database=given.database or "",
            models=escape(given.models or ""),
            migrations=escape(given.migrations or ""),
            migrate=given.migrate or (),
            auto_migrate=given.auto_migrate,
            ignore=tuple(escape(glob) for glob in given.ignore),
            accept=escape(accept),
            accepted=self._accepted(accept) if accept else (),
            on_drift=given.on_drift or OnDrift.FAIL,
            mark=self.file.document.mark((*self.at, "schema")),
        )

    def imports(self) -> tuple[str, ...]:
        """Return the SQL files that it loads; only a task loads any."""
        if self.given.import_ and self.given.task is None:
            place = self.file.document.key_place((*self.at, "import"))
            text = "only a task imports: give it task: with the command that loads the file"
            self.problems.add(self.file.document.file, place, text)
        return tuple(escape(self.file.absolute(path)) for path in self.given.import_)

    def cache(self) -> CacheRules | None:
        """Return what its keys are held to, None for what is no cache."""
        given = self.given.cache
        if given is None:
            return None
        if given.flush_on_migrate and {"", "*"} & set(given.prefixes):
            place = self.file.document.place((*self.at, "cache", "prefixes"))
            text = "flush_on_migrate with the pattern * would drop every key; name the prefixes that hold cached rows"
            self.problems.add(self.file.document.file, place, text)
        return CacheRules(
            url=given.url or "",
            prefixes=given.prefixes,
            flush_on_migrate=given.flush_on_migrate,
            mark=self.file.document.mark((*self.at, "cache")),
        )

    def env(self) -> EnvironmentRules | None:
        """Return what its variables are held to, None where nothing is asked."""
        rules = self.read_env(self.given.env)
        if rules is None:
            return None
        forbidden = {name: tuple(escape(value) for value in values) for name, values in rules.forbidden.items()}
        placeholders = {name: escape(value) for name, value in rules.placeholders.items()}
        return replace(rules, forbidden=forbidden, example=escape(rules.example), placeholders=placeholders)

    def read_env(self, given: EnvInput | None) -> EnvironmentRules | None:
        """Return what variables are held to, as plain texts."""
        if given is None:
            return None
        example = self.file.absolute(given.example or _EXAMPLE)
        if given.example and not paths.is_file(example):
            self._note_missing(("env", "example"), example)
        return EnvironmentRules(
            required=given.required,
            forbidden=given.forbidden,
            secrets=given.secrets,
            example=example,
            placeholders=load_env_files([example], Variables(layers=[]), self.problems),
        )

    def _accepted(self, path: str) -> tuple[str, ...]:
        if not paths.is_file(path):
            self._note_missing(("schema", "accept"), path)
            return ()
        text = self.problems.open(path)
        document = read_yaml(text, self.problems) if text else None
        if document is None:
            return ()
        try:
            return tuple(escape(one) for one in sorted(read_accepted(document.data)))
        except ValueError as error:
            self.problems.add(document.file, document.root.place, str(error))
            return ()

    def _note_missing(self, path: Path, file: str) -> None:
        place = self.file.document.place((*self.at, *path))
        self.problems.add(self.file.document.file, place, f"the file {self.problems.show(file)} does not exist")
