"""Alembic's revisions, read from its files alone: order, heads, what is missing, what each one makes.

Must not import user code nor Alembic, nor know databases. Invariant: the graph has the heads that Alembic's own
ScriptDirectory would give, and whatever that would stumble over is a finding with file and line.
"""

import ast
import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.records import graph
from devenv.schema.records.files import (
    FileSet,
    Implied,
    build_migration,
    list_files,
    quiet_parsing,
    read_bytes,
    say_duplicate,
    say_mistake,
    say_unreadable,
)
from devenv.schema.records.state import Migration, ToolPlace
from devenv.schema.sql_text import Made, read_made

_FIELDS = frozenset({"revision", "down_revision", "branch_labels", "depends_on"})
_RECORD_NAME = re.compile(r"\bversion_table\s*=\s*[\"'](\w+)[\"']")
_RECORD_SCHEMA = re.compile(r"\bversion_table_schema\s*=\s*[\"'](\w+)[\"']")
_SEPARATORS = {"space": None, "newline": "\n", "os": ":", ":": ":", ";": ";"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """A section of alembic.ini: the folder with env.py, and the folders with revisions."""

    folder: Path
    versions: tuple[Path, ...]
    is_recursive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A revision file. `parents` and `depends_on` are as written: ids, beginnings of ids, or branch labels."""

    migration: Migration
    parents: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    line: int = 1


def read_config(config: Path, start: Path) -> tuple[Scripts, ...]:
    """Return what an alembic.ini or pyproject.toml points at, one entry a section; () where it says nothing.

    `start` is the folder that the service starts in: relative locations may begin there, or beside the file.
    """
    sections = _read_toml(config) if config.suffix == ".toml" else _read_ini(config)
    return tuple(_read_section((config.parent, start), section) for section in sections)


def read_revisions(place: ToolPlace) -> FileSet:
    """Read the revisions of a place. Raises CannotLook for a folder that cannot be read."""
    scripts = _find_scripts(place)
    findings: list[Finding] = []
    revisions: dict[str, Revision] = {}
    with quiet_parsing():
        for path in _list_revisions(scripts):
            revision, problems = _read_revision(place, path)
            findings += problems
            if revision is None:
                continue
            if (known := revisions.get(revision.migration.id)) is not None:
                findings.append(say_duplicate(place, "Alembic", known.migration.id, path, known.migration.path))
                continue
            revisions[revision.migration.id] = revision
    return _build_set(place, scripts, revisions, findings)


def _build_set(
    place: ToolPlace, scripts: Scripts, revisions: Mapping[str, Revision], findings: list[Finding]
) -> FileSet:
    parents = {id_: _resolve(revision.parents, revisions) for id_, revision in revisions.items()}
    needs = {id_: (*parents[id_], *_resolve(one.depends_on, revisions)) for id_, one in revisions.items()}
    heads = graph.find_leaves(parents)
    are_labelled = _are_labelled(heads, parents, revisions)
    findings += _find_graph_mistakes(place, revisions, needs)
    if len(heads) > 1 and not are_labelled:
        findings.append(_say_heads(place, [revisions[head] for head in heads]))

    def imply(recorded: frozenset[str]) -> Implied:
        applied = graph.find_ancestors(needs, recorded)
        # With nothing but unknown revisions in the record there is no telling what has run.
        return Implied(applied=applied, moot=frozenset(revisions) if recorded and not applied else frozenset())

    environment = _read_environment(scripts.folder)
    is_flask = "flask" in environment or "current_app" in environment
    named, named_schema = _RECORD_NAME.search(environment), _RECORD_SCHEMA.search(environment)
    return FileSet(
        migrations=tuple(revisions[id_].migration for id_ in graph.sort_nodes(needs)),
        findings=tuple(findings),
        imply=imply,
        apply="flask db upgrade" if is_flask else _name_heads(place) if are_labelled else "",
        make="flask db migrate" if is_flask else "",
        table=named[1] if named else "",
        table_schema=named_schema[1] if named_schema else "",
    )


def _name_heads(place: ToolPlace) -> str:
    config = place.show(place.config)
    return (
        "alembic upgrade heads"
        if config in {"", ".", "alembic.ini", "pyproject.toml"}
        else f"alembic -c {config} upgrade heads"
    )


def _resolve(written: Iterable[str], revisions: Mapping[str, Revision]) -> tuple[str, ...]:
    """Return ids for ids, labels and the beginnings of ids; what means nothing stays as it is."""
    return tuple(_resolve_one(one.partition("@")[0], revisions) for one in written)


def _resolve_one(written: str, revisions: Mapping[str, Revision]) -> str:
    if written in revisions:
        return written
    labelled = [id_ for id_, revision in revisions.items() if written in revision.labels]
    begun = [id_ for id_ in revisions if len(written) >= 4 and id_.startswith(written)]
    return labelled[0] if labelled else begun[0] if len(begun) == 1 else written


def _are_labelled(heads: Sequence[str], parents: graph.Parents, revisions: Mapping[str, Revision]) -> bool:
    """Tell whether several heads are meant: each one is on a branch with a label of its own."""
    if len(heads) < 2:
        return False
    labels = [
        {label for id_ in graph.find_ancestors(parents, [head]) for label in revisions[id_].labels} for head in heads
    ]
    own = [mine - set().union(*(others for others in labels if others is not mine)) for mine in labels]
    return all(own)


def _find_graph_mistakes(
    place: ToolPlace, revisions: Mapping[str, Revision], needs: graph.Parents
) -> Iterator[Finding]:
    for id_, parent in graph.find_missing(needs):
        revision = revisions[id_]
        yield say_mistake(
            f"alembic-missing-parent:{id_}",
            f"Alembic revision {_title(revision)} builds on {parent}, and no file has that revision",
            fix=f"git log --all -S{parent} -- {place.show(place.folder)}",
            at=f"{place.show(revision.migration.path)}:{revision.line}",
        )
    if cycle := graph.find_cycle(needs):
        revision = revisions[cycle[0]]
        yield say_mistake(
            "alembic-cycle",
            f"Alembic revisions build on each other in a circle: {', '.join(_title(revisions[one]) for one in cycle)}",
            fix=f"correct down_revision in {place.show(revision.migration.path)}",
            at=f"{place.show(revision.migration.path)}:{revision.line}",
        )


def _say_heads(place: ToolPlace, heads: Sequence[Revision]) -> Finding:
    return Finding(
        id="alembic-heads",
        severity=Severity.ERROR,
        topic=Topic.MIGRATIONS,
        text=f"Alembic has {len(heads)} heads: {', '.join(_title(head) for head in heads)}; `upgrade head` will fail",
        fix="alembic merge heads",
        details=tuple(place.show(head.migration.path) for head in heads),
        place=f"{place.show(heads[-1].migration.path)}:{heads[-1].line}",
    )


def _title(revision: Revision) -> str:
    title = revision.migration.title
    return f"{revision.migration.id} ({title})" if title else revision.migration.id


def _read_ini(config: Path) -> list[Mapping[str, object]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(config.read_text(encoding="utf-8", errors="replace"))
    except (OSError, configparser.Error):
        return []
    options = {name: _expand(dict(parser[name]), config.parent) for name in parser.sections()}
    named = [section for name, section in options.items() if "script_location" in section and name != "alembic"]
    main = options.get("alembic")
    if main is None:
        return list(named)
    if "script_location" not in main:
        # Flask-Migrate keeps its alembic.ini beside env.py, and newer projects the rest in pyproject.toml.
        beside = _read_toml(config.parent / "pyproject.toml")
        own = [{**main, "script_location": str(config.parent)}] if (config.parent / "env.py").is_file() else []
        return [*own, *([] if own else beside), *named]
    return [main, *named]


def _expand(options: dict[str, str], here: Path) -> dict[str, object]:
    """Return options with `%(here)s` and their references to each other filled in."""
    known = {**options, "here": str(here)}

    def fill(value: str) -> str:
        return re.sub(r"%\((\w+)\)s", lambda found: known.get(found[1], found[0]), value).replace("%%", "%")

    return {name: fill(value) for name, value in options.items()}


def _read_toml(config: Path) -> list[Mapping[str, object]]:
    try:
        tool = tomllib.loads(config.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return []
    section = tool.get("alembic") if isinstance(tool, dict) else None
    if not isinstance(section, dict) or "script_location" not in section:
        return []
    here = str(config.parent)
    return [{name: _fill_toml(value, here) for name, value in section.items()}]


def _fill_toml(value: object, here: str) -> object:
    if isinstance(value, list):
        return [_fill_toml(one, here) for one in value]
    return value.replace("%(here)s", here) if isinstance(value, str) else value


def _read_section(roots: Sequence[Path], section: Mapping[str, object]) -> Scripts:
    folder = _find_folder(roots, str(section.get("script_location", "")))
    written = section.get("version_locations")
    separator = str(section.get("path_separator") or section.get("version_path_separator") or "")
    names = [str(one) for one in written] if isinstance(written, list) else _split(str(written or ""), separator)
    return Scripts(
        folder=folder,
        versions=tuple(_find_folder(roots, name) for name in names) or (folder / "versions",),
        is_recursive=str(section.get("recursive_version_locations", "")).lower() in {"true", "1", "yes", "on"},
    )


def _split(written: str, separator: str) -> list[str]:
    parts = written.split(_SEPARATORS[separator]) if separator in _SEPARATORS else re.split(r"[,\s]+", written)
    return [part.strip() for part in parts if part.strip()]


def _find_folder(roots: Sequence[Path], written: str) -> Path:
    """Return the folder that a location means: a path, or `package:folder` of a package of this repository.

    Alembic begins where it is started: beside its configuration as a rule, in the folder above for `-c db/alembic.ini`.
    """
    package, colon, inside = written.partition(":")
    places = [root / written for root in roots]
    if colon and not any(place.is_dir() for place in places):
        places = [root / base / package.replace(".", "/") / inside for root in roots for base in ("", "src", "lib")]
    return next((place for place in places if place.is_dir()), places[0])


def _find_scripts(place: ToolPlace) -> Scripts:
    """Return the section of the configuration that `place` is about."""
    known = read_config(Path(place.config), Path(place.root)) if place.config else ()
    folder = Path(place.folder)
    here = next((scripts for scripts in known if folder in scripts.versions), None)
    return here or Scripts(folder=folder.parent, versions=(folder,))


def _list_revisions(scripts: Scripts) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in scripts.versions:
        if not folder.is_dir() and scripts.folder.is_dir():
            continue  # a new project: version control keeps no empty folders
        for path in list_files(folder, "**/*.py" if scripts.is_recursive else "*.py"):
            if not path.name.startswith(("__init__", ".#")) and path not in seen:
                seen.add(path)
                yield path


def _read_environment(folder: Path) -> str:
    try:
        return read_bytes(folder / "env.py").decode("utf-8", errors="replace")
    except OSError:
        return ""


def _read_revision(place: ToolPlace, path: Path) -> tuple[Revision | None, tuple[Finding, ...]]:
    try:
        source = read_bytes(path)
    except OSError as error:
        return None, (say_unreadable(place, path, error),)
    try:
        module = ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _guess_revision(path, source), (say_syntax(place, path, error),)
    values, lines = _read_fields(module)
    if not isinstance(values.get("revision"), str):
        return None, ()
    text = ast.get_docstring(module, clean=False) or ""
    return _build_revision(path, values, lines, text, Operations.read(module)), ()


def _build_revision(
    path: Path, values: Mapping[str, object], lines: Mapping[str, int], text: str, made: Iterable[Made]
) -> Revision:
    title = text.strip().partition("\n")[0].strip()
    return Revision(
        migration=build_migration(str(values["revision"]), title=title, path=path, made=made),
        parents=_as_names(values.get("down_revision")),
        labels=_as_names(values.get("branch_labels")),
        depends_on=_as_names(values.get("depends_on")),
        line=lines.get("down_revision", 1),
    )


def say_syntax(place: ToolPlace, path: Path, error: Exception) -> Finding:
    """Return the finding that a migration is no Python."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    why = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
    at = f"{place.show(path)}:{line}" if line else place.show(path)
    return say_mistake(
        f"{place.tool}-syntax:{path.name}", f"the migration {at} is no valid Python: {why}", fix=f"correct {at}", at=at
    )


_GUESSED = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*(?:[\"']([^\"'\n]+)[\"'])", re.MULTILINE)


def _guess_revision(path: Path, source: bytes) -> Revision | None:
    """Return what a file with a syntax error seems to be, so that the rest of the graph stays whole."""
    found = dict(_GUESSED.findall(source.decode("utf-8", errors="replace")))
    if "revision" not in found:
        return None
    return _build_revision(path, found, {}, "", ())


def _read_fields(module: ast.Module) -> tuple[dict[str, object], dict[str, int]]:
    """Return the module's plain constants by name, and the lines of those that matter."""
    values: dict[str, object] = {}
    lines: dict[str, int] = {}
    for node in module.body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                values[target.id] = _read_value(value, values)
                if target.id in _FIELDS:
                    lines[target.id] = node.lineno
    return values, lines


def _read_value(node: ast.expr, known: Mapping[str, object]) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return tuple(_read_value(one, known) for one in node.elts)
    return None


def _as_names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, tuple) else ()


@dataclass(kw_only=True)
class Operations:
    """What the statements of a revision make, its `downgrade` left out; loops are read once."""

    constants: Mapping[str, object]
    batches: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, module: ast.Module) -> Iterator[Made]:
        """Give the tables and columns that a revision makes."""
        operations = cls(constants=_read_fields(module)[0])
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("downgrade"):
                yield from operations.read_block(node.body)

    def read_block(self, block: Iterable[ast.stmt]) -> Iterator[Made]:
        """Give what statements make, those inside of `with`, `if`, `for` and `try` included."""
        for node in block:
            if isinstance(node, ast.Expr | ast.Assign) and isinstance(node.value, ast.Call):
                yield from self.read_call(node.value)
            if isinstance(node, ast.With):
                self._open_batches(node)
            for name in ("body", "orelse", "finalbody"):
                yield from self.read_block(getattr(node, name, ()))

    def read_call(self, call: ast.Call) -> Iterator[Made]:
        """Give what one `op.…` or `batch_op.…` call makes."""
        if not isinstance(call.func, ast.Attribute):
            return
        owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
        table, rest = self.batches.get(owner, ""), list(call.args)
        if not table:
            table = self._text(rest.pop(0) if rest else _keyword(call, "table_name", "sqltext", "old_table_name"))
        match call.func.attr:
            case "create_table" if table:
                yield Made(table=table, line=call.lineno)
            case "rename_table":
                renamed = self._text(rest[0] if rest else _keyword(call, "new_table_name"))
                yield from (Made(table=name, line=call.lineno) for name in (renamed,) if name)
            case "add_column":
                column = rest[0] if rest else _keyword(call, "column")
                name = self._text(column.args[0]) if isinstance(column, ast.Call) and column.args else ""
                yield from (Made(table=table, column=one, line=call.lineno) for one in (name,) if one and table)
            case "alter_column":
                name = self._text(_keyword(call, "new_column_name"))
                yield from (Made(table=table, column=one, line=call.lineno) for one in (name,) if one and table)
            case "execute":
                for made in read_made(table):
                    yield Made(table=made.table, column=made.column, line=call.lineno + made.line - 1)

    def _open_batches(self, node: ast.With) -> None:
        for item in node.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and isinstance(item.optional_vars, ast.Name):
                argument = call.args[0] if call.args else _keyword(call, "table_name")
                self.batches[item.optional_vars.id] = self._text(argument)

    def _text(self, node: ast.expr | None) -> str:
        """Return the text that an argument stands for: itself, a constant of the module, or inside `sa.text(…)`."""
        if isinstance(node, ast.Call) and node.args:
            return self._text(node.args[0])
        value = _read_value(node, self.constants) if node is not None else None
        return value if isinstance(value, str) else ""


def _keyword(call: ast.Call, *names: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg in names), None)
