"""Says in one sentence why models could not be read, and what mends it.

Must not run anything; looks only at which lock file lies in the service's folder. Invariant: no password is shown,
and whatever a probe ended with becomes a `CannotLook`.
"""

import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv.adapters.models.running import Ran
from devenv.domain.installs import PYTHON_INSTALLS
from devenv.schema.ports import CannotLook, ModelQuestion

_NOT_IMPORTABLE = "models-not-importable"
_KEPT_LINES = 12
_CREDENTIALS = re.compile(r"://([^/@:\s]*):[^\s@]+@")
_SECRET_NAMES = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY", re.IGNORECASE)
_SHORTEST_SECRET = 6
_TRACE_LINE = re.compile(r'^  File "([^"<]+)", line (\d+) in ', re.MULTILINE)
_PACKAGES = ("/site-packages/", "/dist-packages/", "/lib/python")

# What is installed under another name than it is imported by.
_DISTRIBUTIONS = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "flask_sqlalchemy": "Flask-SQLAlchemy",
    "yaml": "PyYAML",
    "dotenv": "python-dotenv",
    "environ": "django-environ",
    "decouple": "python-decouple",
    "dateutil": "python-dateutil",
    "jwt": "PyJWT",
    "PIL": "Pillow",
    "rest_framework": "djangorestframework",
    "corsheaders": "django-cors-headers",
    "greenlet": "greenlet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was tried: the question, and the interpreter (`python` is its path, or what is in the container)."""

    question: ModelQuestion
    python: str
    found_by: str
    deadline_s: float

    @property
    def subject(self) -> str:
        """Return what was to be read, in the user's own words."""
        question = self.question
        if question.reference:
            return question.reference
        return Path(question.alembic_ini or question.manage_py).name

    @property
    def folder(self) -> str:
        """Return where the command to try by hand is typed."""
        question = self.question
        if question.reference or not (question.alembic_ini or question.manage_py):
            return question.place.folder
        return str(Path(question.alembic_ini or question.manage_py).parent)

    def by_hand(self) -> str:
        """Return the command that shows the failure without devenv."""
        question = self.question
        if question.framework == "django":
            words = f"{Path(question.manage_py).name or '-m django'} check"
        elif question.reference:
            words = f"-c {shlex.quote('import ' + question.reference.partition(':')[0])}"
        else:
            words = "-m alembic current"
        return self._typed(f"{shlex.quote(self.python)} {words}")

    def install(self, package: str) -> str:
        """Return the command that installs what is missing, as the project's lock file has it."""
        container = self.question.place.container
        if container:
            return "docker compose build, after adding it to what the image installs"
        name = _DISTRIBUTIONS.get(package, package)
        folder = Path(self.question.place.folder)
        for lock, command in PYTHON_INSTALLS.items():
            if (folder / lock).is_file():
                return self._typed(command)
        requirements = "-r requirements.txt" if _names_package(folder / "requirements.txt", name) else name
        return self._typed(f"{shlex.quote(self.python)} -m pip install {requirements}")

    def _typed(self, command: str) -> str:
        container = self.question.place.container
        if container:
            return f"docker exec -it {container[:12]} {command}"
        return f"cd {shlex.quote(self.folder)} && {command}"


def describe_failure(document: Mapping[str, Any], attempt: Attempt, stderr: str) -> CannotLook:
    """Return what a probe said went wrong."""
    hide = _Hiding(attempt.question.place.environment)
    place = str(document["place"])
    reason, code, fix = _explain(document, attempt, f" ({place})" if place else "")
    details = [*document["lines"], *_last_lines(stderr, 3)]
    return CannotLook(
        hide(reason), code=code, fix=fix, details=[hide(line) for line in details[-_KEPT_LINES:]], place=place
    )


def describe_end(ran: Ran, attempt: Attempt) -> CannotLook:
    """Return why a probe gave no answer: it hung, exited or was killed."""
    hide = _Hiding(attempt.question.place.environment)
    if ran.is_late:
        place = _running_place(ran.stderr, attempt.question.place.folder)
        where = f"; it was at {place}" if place else ""
        reason = f"reading {attempt.subject} did not end within {attempt.deadline_s:g} s{where}"
        code = "models-hung"
    else:
        place = ""
        reason = f"reading {attempt.subject} with {attempt.python} {_say_status(ran.status)} and gave no answer"
        code = _NOT_IMPORTABLE
    lines = [hide(line) for line in _last_lines(ran.stderr, _KEPT_LINES)]
    return CannotLook(hide(reason), code=code, fix=attempt.by_hand(), details=lines, place=place)


def _explain(document: Mapping[str, Any], attempt: Attempt, where: str) -> tuple[str, str, str]:
    if document["code"]:
        return _explain_known(document, attempt)
    if document["is_blocked"]:
        reason = f"{attempt.subject} opens a database connection while it is imported{where}; devenv reads without one"
        return reason, "models-connect", "make the connection in a function that the service calls when it starts"
    if document["type"] == "SystemExit":
        reason = f"importing {attempt.subject} ends the program with exit {document['message'] or 0}{where}"
        return reason, _NOT_IMPORTABLE, attempt.by_hand()
    if module := _missing_own_module(document, attempt.question):
        place = attempt.question.place.folder
        reason = f"{attempt.subject} cannot be imported{where}: no module {module} in {place} or on its PYTHONPATH"
        return reason, _NOT_IMPORTABLE, attempt.by_hand()
    if package := _missing_package(document):
        return *_explain_missing(document, attempt, package, where), attempt.install(package)
    words = " ".join(str(document["message"]).split())[:300]
    reason = f"{attempt.subject} cannot be imported{where}: {document['type']}: {words}"
    return reason, _NOT_IMPORTABLE, attempt.by_hand()


def _missing_own_module(document: Mapping[str, Any], question: ModelQuestion) -> str:
    """Return the missing module where it is one of the project itself, which nothing installs."""
    missing = str(document["missing"])
    top = missing.partition(".")[0]
    folder = Path(question.place.folder)
    named = question.reference.partition(":")[0].partition(".")[0]
    is_own = top == named or (folder / top).is_dir() or (folder / f"{top}.py").is_file()
    return missing if missing and is_own else ""


def _missing_package(document: Mapping[str, Any]) -> str:
    """Return the missing package that an error is about, '' for another error or a module of the project itself."""
    message = str(document["message"])
    if "greenlet" in message and re.search("is required|requires|No module named", message):
        return "greenlet"
    if found := re.search(r"Error loading (psycopg2|MySQLdb)", message):
        return found[1]
    return str(document["missing"]).partition(".")[0]


def _explain_missing(document: Mapping[str, Any], attempt: Attempt, package: str, where: str) -> tuple[str, str]:
    with_what = f"{attempt.python} (found by {attempt.found_by})"
    is_21 = str(document.get("library", "")).startswith("SQLAlchemy 2.1")
    if package == "greenlet":
        why = "SQLAlchemy 2.1 no longer installs greenlet, which asynchronous engines need" if is_21 else ""
    elif package == "psycopg" and is_21:
        why = "since SQLAlchemy 2.1, postgresql:// means psycopg 3 and no longer psycopg2"
    else:
        why = ""
    reason = f"{attempt.subject} cannot be imported{where}: {with_what} has no package {package}"
    return f"{reason}; {why}" if why else reason, _NOT_IMPORTABLE


def _explain_known(document: Mapping[str, Any], attempt: Attempt) -> tuple[str, str, str]:
    question, names = attempt.question, list(document["names"])
    module = question.reference.partition(":")[0]
    offer = f"models: {module}:{names[0]}" if names else f"name what holds the models: `models: {module}:Base`"
    match document["code"]:
        case "no-library":
            library, missing = names[0], names[1] or names[0]
            reason = (
                f"{attempt.python} (found by {attempt.found_by}) has no {library}, with which {attempt.subject} is read"
            )
            return reason, _NOT_IMPORTABLE, attempt.install(missing)
        case "no-attribute":
            listed = f"; it has {', '.join(names)}" if names else ""
            reason = f"{attempt.subject}: the module {module} has nothing named so{listed}"
            return reason, _NOT_IMPORTABLE, offer
        case "no-tables":
            reason = f"{attempt.subject} has no table: the modules with the models are not imported with it"
            return reason, "models-empty", "name a module that imports all models: `models: app.models:Base`"
        case "no-metadata" if question.reference:
            reason = f"{attempt.subject} is of type {document['message']}, which holds no SQLAlchemy metadata"
            return reason, _NOT_IMPORTABLE, offer
        case _:
            return f"{attempt.subject}: {document['message']}", _NOT_IMPORTABLE, attempt.by_hand()


def _names_package(requirements: Path, package: str) -> bool:
    try:
        text = requirements.read_text(errors="replace").lower().replace("_", "-")
    except OSError:
        return False
    return (
        re.search(rf"^\s*{re.escape(package.strip(chr(39)).partition('[')[0].lower())}", text, re.MULTILINE) is not None
    )


def _say_status(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


def _running_place(stderr: str, folder: str) -> str:
    """Return the line of the user's code at which a hanging import was, from the trace that the probe leaves."""
    for path, line in _TRACE_LINE.findall(stderr):
        if not any(part in path for part in _PACKAGES):
            return f"{path.removeprefix(folder.rstrip('/') + '/')}:{line}"
    return ""


def _last_lines(text: str, count: int) -> Sequence[str]:
    return [line.rstrip()[:300] for line in text.splitlines() if line.strip()][-count:]


class _Hiding:
    """Takes passwords out of a text: those of URLs, and the values of variables that are named like secrets."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._values = [
            value
            for name, value in environment.items()
            if len(value) >= _SHORTEST_SECRET and _SECRET_NAMES.search(name)
        ]

    def __call__(self, text: str) -> str:
        shown = _CREDENTIALS.sub(r"://\1:***@", text)
        for value in self._values:
            shown = shown.replace(value, "***")
        return shown
