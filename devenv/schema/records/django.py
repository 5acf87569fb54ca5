"""Django's migrations, read from the project's files alone: per app, with their order and what each one makes.

Must not import user code nor Django, nor know databases. Invariant: only apps whose migrations are in the repository
count; rows of installed packages (auth, admin, sessions) are never unknown.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devenv.domain.findings import Finding
from devenv.schema.records import graph
from devenv.schema.records.alembic import say_syntax
from devenv.schema.records.files import (
    FileSet,
    Implied,
    build_migration,
    list_files,
    quiet_parsing,
    read_bytes,
    say_mistake,
    say_unreadable,
)
from devenv.schema.records.state import Migration, ToolPlace
from devenv.schema.records.walking import walk_folders
from devenv.schema.sql_text import Made, read_made

_LABEL = re.compile(r"^\s+label\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)
_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([\w.]+)[\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A migration file: `dependencies` and `replaces` are ids (`app.name`), `operations` the calls of its list."""

    app: str
    name: str
    path: Path
    dependencies: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    operations: tuple[ast.Call, ...] = ()
    line: int = 1

    @property
    def id(self) -> str:
        """Return what stands for it in messages and in dependencies."""
        return f"{self.app}.{self.name}"


def read_apps(place: ToolPlace) -> FileSet:
    """Read the migrations of the project's own apps. Raises CannotLook for a folder that cannot be read."""
    root = Path(place.folder)
    installed = _read_settings(root, Path(place.config) if place.config else None)
    steps: dict[str, Step] = {}
    idle: set[str] = set()
    findings: list[Finding] = []
    with quiet_parsing():
        for folder in _find_apps(root):
            app = _label(folder)
            read, problems = _read_app(place, app, folder)
            steps.update({step.id: step for step in read})
            findings += problems
            if not _is_installed(folder.parent.relative_to(root), installed):
                idle.add(app)
    apps = {step.app for step in steps.values()}
    parents = {id_: _own(step.dependencies, steps, apps) for id_, step in steps.items()}
    findings += _find_mistakes(place, steps, parents)
    order = graph.sort_nodes(parents)
    return FileSet(
        migrations=_build_migrations([steps[id_] for id_ in order]),
        findings=tuple(findings),
        imply=lambda recorded: _imply(steps, recorded, idle),
        is_foreign=lambda id_: id_.partition(".")[0] not in apps or id_ in _replaced(steps.values()),
    )


def _find_apps(root: Path) -> Iterator[Path]:
    """Give the migrations folders below `root`."""
    for folder in walk_folders(root):
        if folder.name == "migrations" and (folder / "__init__.py").is_file():
            yield folder


def _label(migrations: Path) -> str:
    """Return an app's label: its folder's name, unless its AppConfig says otherwise."""
    try:
        named = _LABEL.search(read_bytes(migrations.parent / "apps.py").decode("utf-8", errors="replace"))
    except OSError:
        named = None
    return named[1] if named else migrations.parent.name


def _read_settings(root: Path, manage_py: Path | None) -> frozenset[str]:
    """Return every text of the settings that may name an app; empty where the settings cannot be found."""
    try:
        named = _SETTINGS.search(read_bytes(manage_py).decode("utf-8", errors="replace")) if manage_py else None
    except OSError:
        named = None
    if named is None:
        return frozenset()
    module = root.joinpath(*named[1].split("."))
    files = [module.with_suffix(".py"), *module.parent.glob("*.py"), *module.glob("*.py")]
    found: set[str] = set()
    for path in dict.fromkeys(file for file in files if file.is_file()):
        try:
            nodes = ast.walk(ast.parse(read_bytes(path)))
        except (OSError, SyntaxError, ValueError):
            continue
        found.update(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return frozenset(found)


def _is_installed(app: Path, texts: frozenset[str]) -> bool:
    """Tell whether the settings name an app: `shop`, `apps.shop` or `apps.shop.config.ShopConfig` for `apps/shop`."""
    if not texts:
        return True
    parts = app.parts
    names = {".".join(parts[start:]) for start in range(len(parts))}
    return any(text in names or any(text.startswith(f"{name}.") for name in names) for text in texts)


def _read_app(place: ToolPlace, app: str, folder: Path) -> tuple[list[Step], list[Finding]]:
    steps: list[Step] = []
    findings: list[Finding] = []
    for path in list_files(folder, "*.py"):
        if path.name.startswith(("_", "~", ".")):
            continue
        try:
            module = ast.parse(read_bytes(path), filename=str(path))
        except OSError as error:
            findings.append(say_unreadable(place, path, error))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            findings.append(say_syntax(place, path, error))
            steps.append(Step(app=app, name=path.stem, path=path))
        else:
            steps += _read_step(app, path, module)
    return steps, findings


def _read_step(app: str, path: Path, module: ast.Module) -> Iterator[Step]:
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == "Migration":
            values = dict(_read_assignments(node))
            operations = values.get("operations")
            calls = operations.elts if isinstance(operations, ast.List | ast.Tuple) else []
            yield Step(
                app=app,
                name=path.stem,
                path=path,
                dependencies=tuple(_read_pairs(values.get("dependencies"))),
                replaces=tuple(_read_pairs(values.get("replaces"))),
                operations=tuple(call for call in calls if isinstance(call, ast.Call)),
                line=node.lineno,
            )


def _read_assignments(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            yield from ((target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            yield statement.target.id, statement.value


def _read_pairs(node: ast.expr | None) -> Iterator[str]:
    """Give `app.name` for each ("app", "name") of a list; what is computed (a swappable user model) is left out."""
    for pair in node.elts if isinstance(node, ast.List | ast.Tuple) else ():
        match pair:
            case ast.Tuple(elts=[ast.Constant(value=str(app)), ast.Constant(value=str(name))]):
                yield f"{app}.{name}"


def _own(dependencies: Sequence[str], steps: Mapping[str, Step], apps: Iterable[str]) -> tuple[str, ...]:
    """Return dependencies inside the project, `__first__` and `__latest__` as the migrations that they mean."""
    found: list[str] = []
    for one in dependencies:
        app, _, name = one.partition(".")
        of_app = sorted(id_ for id_, step in steps.items() if step.app == app)
        if app not in apps:
            continue
        if name in {"__first__", "__latest__"}:
            found += of_app[:1] if name == "__first__" else of_app[-1:]
        else:
            # One that was squashed and removed lives on in the one that replaces it.
            found.append(next((id_ for id_ in of_app if one in steps[id_].replaces and one not in steps), one))
    return tuple(found)


def _find_mistakes(place: ToolPlace, steps: Mapping[str, Step], parents: graph.Parents) -> Iterator[Finding]:
    for id_, parent in graph.find_missing(parents):
        at = f"{place.show(steps[id_].path)}:{steps[id_].line}"
        text = f"Django migration {id_} depends on {parent}, and there is no such file"
        yield say_mistake(f"django-missing-parent:{id_}", text, fix=f"correct the dependencies in {at}", at=at)
    if cycle := graph.find_cycle(parents):
        at = f"{place.show(steps[cycle[0]].path)}:{steps[cycle[0]].line}"
        text = f"Django migrations depend on each other in a circle: {', '.join(cycle)}"
        yield say_mistake("django-cycle", text, fix=f"correct the dependencies in {at}", at=at)
    replaced = _replaced(steps.values())
    alive = {id_: tuple(one for one in above) for id_, above in parents.items() if id_ not in replaced}
    for app in sorted({step.app for step in steps.values()}):
        own = {id_: above for id_, above in alive.items() if steps[id_].app == app}
        built_on = {one for above in own.values() for one in above}
        via = {squash.id for squash in steps.values() if any(one in built_on for one in squash.replaces)}
        leaves = [id_ for id_ in own if id_ not in built_on | via]
        if len(leaves) > 1:
            names = ", ".join(steps[id_].name for id_ in leaves)
            yield say_mistake(
                f"django-leaves:{app}",
                f"the Django app {app} has {len(leaves)} latest migrations: {names}; `migrate` will fail",
                fix="python manage.py makemigrations --merge",
                at=place.show(steps[leaves[-1]].path),
            )


def _replaced(steps: Iterable[Step]) -> frozenset[str]:
    return frozenset(id_ for step in steps for id_ in step.replaces)


def _imply(steps: Mapping[str, Step], recorded: frozenset[str], idle: Iterable[str]) -> Implied:
    """Return what has run: a squashed migration and those that it replaces stand for each other."""
    applied = set(recorded)
    moot = {id_ for id_, step in steps.items() if step.app in idle and not _has_rows(step.app, recorded)}
    for step in steps.values():
        if not step.replaces:
            continue
        done = [id_ for id_ in step.replaces if id_ in recorded]
        if step.id in recorded or len(done) == len(step.replaces):
            applied |= {step.id, *step.replaces}
        else:
            moot |= {step.id} if done else set(step.replaces)
    return Implied(applied=frozenset(applied), moot=frozenset(moot))


def _has_rows(app: str, recorded: Iterable[str]) -> bool:
    return any(id_.startswith(f"{app}.") for id_ in recorded)


def _build_migrations(steps: Sequence[Step]) -> tuple[Migration, ...]:
    tables = _Tables()
    return tuple(
        build_migration(step.id, path=step.path, made=[*tables.read(step.app, step.operations)]) for step in steps
    )


@dataclass(kw_only=True)
class _Tables:
    """The tables of models, as the operations so far have left them."""

    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def read(self, app: str, operations: Iterable[ast.Call]) -> Iterator[Made]:
        """Give what operations make."""
        for call in operations:
            kind = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            match kind:
                case "CreateModel":
                    yield from self._create(app, call)
                case "AddField":
                    yield from self._add(app, call)
                case "RenameModel" | "AlterModelTable":
                    yield from self._rename(app, call, kind)
                case "RenameField":
                    table = self._table(app, _text(call, 0, "model_name"))
                    yield Made(table=table, column=_text(call, 2, "new_name"), line=call.lineno)
                case "RunSQL":
                    yield from (
                        Made(table=made.table, column=made.column, line=call.lineno)
                        for made in read_made(_read_sql(_argument(call, 0, "sql")))
                    )
                case "SeparateDatabaseAndState":
                    inner = _argument(call, 0, "database_operations")
                    calls = inner.elts if isinstance(inner, ast.List | ast.Tuple) else []
                    yield from self.read(app, (one for one in calls if isinstance(one, ast.Call)))

    def _table(self, app: str, model: str) -> str:
        return self.names.get((app, model.lower()), f"{app}_{model.lower()}")

    def _create(self, app: str, call: ast.Call) -> Iterator[Made]:
        model = _text(call, 0, "name")
        options = _argument(call, 2, "options")
        known = {}
        if isinstance(options, ast.Dict):
            known = {
                key.value: value.value
                for key, value in zip(options.keys, options.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
            }
        if isinstance(known.get("db_table"), str):
            self.names[app, model.lower()] = str(known["db_table"]).strip('"')
        if known.get("managed") is False or known.get("proxy") is True:
            return
        table = self._table(app, model)
        yield Made(table=table, line=call.lineno)
        fields = _argument(call, 1, "fields")
        for pair in fields.elts if isinstance(fields, ast.List | ast.Tuple) else ():
            if isinstance(pair, ast.Tuple) and len(pair.elts) == 2 and isinstance(pair.elts[0], ast.Constant):
                made = _read_field(table, str(pair.elts[0].value), pair.elts[1], call.lineno)
                yield from (one for one in made if not one.column)

    def _add(self, app: str, call: ast.Call) -> Iterator[Made]:
        table = self._table(app, _text(call, 0, "model_name"))
        yield from _read_field(table, _text(call, 1, "name"), _argument(call, 2, "field"), call.lineno)

    def _rename(self, app: str, call: ast.Call, kind: str) -> Iterator[Made]:
        if kind == "AlterModelTable":
            model, table = _text(call, 0, "name"), _text(call, 1, "table")
        else:
            model = _text(call, 1, "new_name")
            old = self.names.get((app, _text(call, 0, "old_name").lower()), "")
            table = old or f"{app}_{model.lower()}"
        self.names[app, model.lower()] = table
        if table:
            yield Made(table=table, line=call.lineno)


def _read_field(table: str, name: str, made_of: ast.expr | None, line: int) -> Iterator[Made]:
    """Give the column of a field, or the table of a many-to-many one."""
    kind, call = "", None
    if isinstance(made_of, ast.Call):
        call, kind = made_of, made_of.func.attr if isinstance(made_of.func, ast.Attribute) else ""
    if kind == "ManyToManyField" and call is not None:
        if not _text(call, -1, "through"):
            yield Made(table=_text(call, -1, "db_table") or f"{table}_{name}", line=line)
        return
    usual = f"{name}_id" if kind in {"ForeignKey", "OneToOneField"} else name
    written = _text(call, -1, "db_column") if call is not None else ""
    yield Made(table=table, column=written or usual, line=line)


def _read_sql(node: ast.expr | None) -> str:
    """Return the statements of RunSQL: a text, or a list of texts and of (text, parameters)."""
    if isinstance(node, ast.List | ast.Tuple):
        firsts = [one.elts[0] if isinstance(one, ast.Tuple) and one.elts else one for one in node.elts]
        return ";\n".join(_read_sql(one) for one in firsts if isinstance(one, ast.Constant))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return an argument by its name or, from 0 on, its position."""
    if 0 <= position < len(call.args):
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _text(call: ast.Call, position: int, name: str) -> str:
    value = _argument(call, position, name)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
