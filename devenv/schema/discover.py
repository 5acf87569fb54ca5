"""Finds what a service's rules leave open: its database, its models, its migration tool.

Reads names and small files only. Must not open a database nor run code. Invariant: nothing is guessed in silence: what
could mean two things, or is named but not there, is said with the candidates.
"""

import os
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from pathlib import Path

from devenv.domain.database import dialect_of, is_database_url, parse_url
from devenv.domain.findings import Finding, Severity, Topic
from devenv.domain.subject import Subject
from devenv.schema.ports import CannotLook
from devenv.schema.prisma.locate import find_candidates, find_prisma_schema, places_looked_at
from devenv.schema.prisma.parser import read_prisma
from devenv.schema.records.locate import find_moved, find_tools
from devenv.schema.records.state import ToolPlace

URL_VARIABLES = (
    "DATABASE_URL",
    "DB_URL",
    "DATABASE_URI",
    "DB_URI",
    "DB_DSN",
    "SQLALCHEMY_DATABASE_URL",
    "SQLALCHEMY_DATABASE_URI",
    "SQLALCHEMY_URL",
    "POSTGRES_URL",
    "POSTGRESQL_URL",
    "MYSQL_URL",
    "MARIADB_URL",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a description of the wanted tables is: `kind` is sqlalchemy, django or prisma.

    `reference` is `module:attribute`, `path` the absolute path of alembic.ini, manage.py or schema.prisma.
    """

    kind: str
    reference: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What there is to check with; `findings` say what was named and is not there."""

    models: tuple[ModelSource, ...] = ()
    tools: tuple[ToolPlace, ...] = ()
    findings: tuple[Finding, ...] = ()


def find_database_url(subject: Subject) -> str:
    """Return the URL of the service's database, '' where nothing names one.

    Looks at the rules, then at the service's environment (the usual variables, the one that schema.prisma names, any
    other), then at alembic.ini. Raises CannotLook where several variables name different databases.
    """
    if subject.rules.database:
        return subject.rules.database
    environment = subject.code.environment
    for name in URL_VARIABLES:
        value = environment.get(name, "")
        if _names_database(value, subject.code.folder) or _is_broken_url(value, subject.code.folder):
            return value
    of_prisma = environment.get(_find_prisma_variable(subject), "")
    if _names_database(of_prisma, subject.code.folder):
        return of_prisma
    return _find_other_url(environment, subject.code.folder) or _read_alembic_url(subject)


def find_sources(subject: Subject) -> Sources:
    """Return the models and migration tools of the service: those that its rules name, else those of its folder."""
    folder = Path(subject.code.folder)
    missing = _find_missing(subject)
    if missing:
        return Sources(findings=missing)
    try:
        tools = find_tools(folder, hint=subject.rules.migrations, argv=subject.code.argv)
    except CannotLook as problem:
        return Sources(models=_find_models(subject, ()), findings=(_say_tool_moved(subject, problem),))
    models = _find_models(subject, tools)
    if not models and not tools:
        return Sources(findings=(_say_nothing_found(subject),))
    return Sources(models=models, tools=tools)


def show_path(path: str | Path, folder: str) -> str:
    """Return `path` relative to `folder` where it lies below it."""
    place = Path(path)
    return str(place.relative_to(folder)) if place.is_relative_to(folder) else str(place)


def _find_prisma_variable(subject: Subject) -> str:
    """Return the variable of `url = env("…")`, '' where there is no schema.prisma or it names none."""
    folder = Path(subject.code.folder)
    schema = find_prisma_schema(folder, subject.code.argv)
    if schema is None:
        return ""
    try:
        datasource = read_prisma(schema).datasource
    except CannotLook:
        return ""  # what is wrong with it is told where the models are read
    return datasource.url_variable if datasource is not None else ""


def _find_other_url(environment: Mapping[str, str], folder: str) -> str:
    """Return the only database that any other variable names."""
    named = {name: value for name, value in environment.items() if _names_database(value, folder)}
    if len(set(named.values())) > 1:
        names = ", ".join(sorted(named))
        raise CannotLook(
            f"several variables name a database: {names}",
            code="database-ambiguous",
            fix="write `database: ${NAME}` under `schema:` in services.yaml",
        )
    return next(iter(named.values()), "")


def _names_database(value: str, folder: str) -> bool:
    """Tell whether a value is a URL with a database in it; an address alone names none."""
    if not is_database_url(value):
        return False
    try:
        return bool(parse_url(value, folder).name)
    except ValueError:
        return False


def _is_broken_url(value: str, folder: str) -> bool:
    """Tell whether a value is meant as the URL of a server and cannot be read; who opens it says why."""
    if not is_database_url(value) or dialect_of(value) == "sqlite":
        return False
    try:
        parse_url(value, folder)
    except ValueError:
        return True
    return False


def _read_alembic_url(subject: Subject) -> str:
    path = Path(subject.code.folder) / "alembic.ini"
    if not path.is_file():
        return ""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (IniError, OSError, UnicodeDecodeError):
        return ""
    url = parser.get("alembic", "sqlalchemy.url", fallback="")
    is_placeholder = url.startswith("driver://") or "%(" in url
    return url if not is_placeholder and _names_database(url, subject.code.folder) else ""


def _find_models(subject: Subject, tools: tuple[ToolPlace, ...]) -> tuple[ModelSource, ...]:
    named = subject.rules.models
    folder = Path(subject.code.folder)
    if named:
        return (_read_named(named, folder),)
    found = [_SOURCES[place.tool](place) for place in tools if place.tool in _SOURCES and place.config]
    schema = find_prisma_schema(folder, subject.code.argv)
    if schema is not None and not any(source.kind == "prisma" for source in found):
        found.append(ModelSource(kind="prisma", path=str(schema)))
    return tuple(found)


_SOURCES = {
    "alembic": lambda place: ModelSource(kind="sqlalchemy", path=place.config),
    "django": lambda place: ModelSource(kind="django", path=place.config),
    "prisma": lambda place: ModelSource(kind="prisma", path=place.config),
}


def _read_named(named: str, folder: Path) -> ModelSource:
    path = folder / named
    if path.is_dir() or named.endswith(".prisma"):
        return ModelSource(kind="prisma", path=str(path))
    if path.name == "manage.py":
        return ModelSource(kind="django", path=str(path))
    if _is_path(named):
        return ModelSource(kind="sqlalchemy", path=str(path))
    return ModelSource(kind="sqlalchemy", reference=named)


def _is_path(named: str) -> bool:
    return "/" in named or named.endswith((".prisma", ".ini", ".py", ".toml"))


def _find_missing(subject: Subject) -> tuple[Finding, ...]:
    """Return a finding for each file that the rules name and that is not there."""
    if subject.code.container:
        return ()  # its files are inside
    named = [subject.rules.models] if _is_path(subject.rules.models) else []
    named += [subject.rules.migrations] if "/" in subject.rules.migrations else []
    folder = Path(subject.code.folder)
    return tuple(_say_moved(subject, name) for name in named if name and not (folder / name).exists())


def _say_moved(subject: Subject, named: str) -> Finding:
    repository = Path(subject.repository)
    is_prisma = named.endswith(".prisma")
    found = find_candidates(repository) if is_prisma else find_moved(repository, Path(named).name)
    shown = [show_path(path, subject.repository) for path in found]
    text = f"{subject.service} names {named}, and there is no such file in {_show_folder(subject)}"
    key = "models" if named == subject.rules.models else "migrations"
    return Finding(
        id=f"file-moved:{named}",
        severity=Severity.ERROR,
        topic=Topic.FILES,
        text=f"{text}; found {', '.join(shown)}" if shown else f"{text}, nor one like it in the repository",
        fix=_say_setting(subject, key, found),
    )


def _say_tool_moved(subject: Subject, problem: CannotLook) -> Finding:
    """Return the finding for a migration tool whose files are not where the service looks."""
    repository = Path(subject.repository)
    found = [*find_moved(repository, "alembic.ini"), *find_moved(repository, "migrations")]
    shown = [show_path(path, subject.repository) for path in found]
    text = f"{subject.service}: {problem.reason}"
    return Finding(
        id="migrations-moved",
        severity=Severity.ERROR if shown else problem.severity,
        topic=Topic.FILES,
        text=f"{text}; found {', '.join(shown[:3])}" if shown else text,
        fix=_say_setting(subject, "migrations", found),
    )


def _say_nothing_found(subject: Subject) -> Finding:
    folder, repository = Path(subject.code.folder), Path(subject.repository)
    looked = [show_path(path, str(folder)) for path in places_looked_at(folder, subject.code.argv)]
    candidates = [
        *find_candidates(repository),
        *find_moved(repository, "alembic.ini"),
        *find_moved(repository, "manage.py"),
    ]
    shown = [show_path(path, subject.repository) for path in candidates]
    places = ", ".join(("alembic.ini", "manage.py", *looked))
    where = f"no models and no migrations where {subject.service} looks ({places})"
    return Finding(
        id="models-not-found",
        severity=Severity.ERROR if shown else Severity.UNKNOWN,
        topic=Topic.FILES,
        text=f"{where} in {_show_folder(subject)}" + (f"; found {', '.join(shown)}" if shown else ""),
        fix=_say_setting(subject, "models", candidates),
    )


def _say_setting(subject: Subject, key: str, found: Sequence[Path]) -> str:
    """Return what to write into services.yaml; the choice among several places is the user's."""
    place = os.path.relpath(found[0], subject.code.folder) if len(found) == 1 else "…"
    return f"set `schema: {{{key}: {place}}}` of {subject.service} in services.yaml"


def _show_folder(subject: Subject) -> str:
    return show_path(subject.code.folder, subject.repository) if subject.code.folder != subject.repository else "."
