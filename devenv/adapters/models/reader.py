"""Reads a service's models: asks its own interpreter once, and the cache as long as nothing has changed.

Owns the way from a question to an answer; knows no framework, the probes do. Invariant: no database connection is
opened, nothing of the project is written, and every failure is a `CannotLook`.
"""

import json
import re
import time
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from devenv.adapters.models import cache as answers
from devenv.adapters.models.container_paths import place_inside
from devenv.adapters.models.decoding import decode_answer, read_document
from devenv.adapters.models.failures import Attempt, describe_end, describe_failure
from devenv.adapters.models.interpreter import find_interpreter, find_program
from devenv.adapters.models.running import Check, Ran, run_here, run_inside
from devenv.domain.database import is_database_url
from devenv.schema.ports import CannotLook, ModelAnswer, ModelQuestion

_PROTOCOL = ("probe_places.py", "probe_protocol.py")
_PROBES = {"sqlalchemy": ("sqlalchemy_tables.py", "sqlalchemy_probe.py"), "django": ("django_probe.py",)}
_NOT_STARTED = frozenset({125, 126, 127})  # as the docker command and shells have it
_OF_ENGINE = re.compile(r"^(Error response from daemon|OCI runtime exec failed|Error: No such container)", re.MULTILINE)

_START = """\
for _name, _text in {texts!r}:
    exec(compile(_text, "<devenv " + _name + ">", "exec"), globals())
run({request!r}, read)
"""


def read_models(
    question: ModelQuestion, *, cache_dir: Path | None, deadline_s: float = 60.0, check: Check = lambda: None
) -> ModelAnswer:
    """Return the models that `question` asks for, at most a second after the deadline. Raises CannotLook.

    `check` is called all the while, and ends the probe by raising. In a container nothing is cached: its files cannot
    be looked at from here.
    """
    began = time.monotonic()
    if question.place.container:
        document = _ask_container(place_inside(question), deadline_s, check)
        answer = _decode(document)
    else:
        answer = _read_here(question, cache_dir, deadline_s, check)
    return replace(answer, took_s=time.monotonic() - began)


def _read_here(question: ModelQuestion, cache_dir: Path | None, deadline_s: float, check: Check) -> ModelAnswer:
    place = question.place
    if not Path(place.folder).is_dir():
        raise CannotLook(
            f"the working directory {place.folder} does not exist", code="no-folder", fix=f"ls -ld {place.folder}"
        )
    interpreter = find_interpreter(place)
    key = answers.make_key(question, interpreter.path, _start_script(question, 0.0)) if cache_dir else ""
    if cache_dir and (kept := answers.find(cache_dir, key, place.environment)):
        return replace(_decode(kept), is_cached=True)
    attempt = Attempt(question=question, python=interpreter.path, found_by=interpreter.found_by, deadline_s=deadline_s)
    began_ns = time.time_ns()
    script = _start_script(question, deadline_s)
    try:
        ran = run_here(
            interpreter.path,
            script,
            folder=place.folder,
            environment=place.environment,
            deadline_s=deadline_s,
            check=check,
        )
    except OSError as error:
        raise CannotLook(
            f"{interpreter.path} (found by {interpreter.found_by}) cannot be started: {error.strerror}",
            code="no-interpreter",
            fix=f"{interpreter.path} --version",
        ) from error
    document = _judge(ran, attempt)
    answer = _decode(document)
    if cache_dir:
        answers.store(cache_dir, key, document, place.environment, began_ns=began_ns)
    return answer


def _ask_container(question: ModelQuestion, deadline_s: float, check: Check) -> dict[str, Any]:
    place = question.place
    script = _start_script(question, deadline_s)
    attempt = Attempt(question=question, python="python3", found_by="the container's PATH", deadline_s=deadline_s)
    program = find_program(place.argv)
    try:
        ran = run_inside(place.container, program, script, folder=place.folder, deadline_s=deadline_s, check=check)
    except OSError as error:
        raise CannotLook(
            f"the docker command cannot be started: {error.strerror}", code="no-docker", fix="docker version"
        ) from error
    if not ran.is_late and (ran.status in _NOT_STARTED or _OF_ENGINE.search(f"{ran.answer}\n{ran.stderr}")):
        lines = [line.strip() for line in (*ran.answer.splitlines(), *ran.stderr.splitlines()) if line.strip()]
        last = lines[-1] if lines else "no Python there"
        raise CannotLook(
            f"the models cannot be read in the container {place.container[:12]}: {last}",
            code="no-interpreter",
            fix=f"docker exec -it {place.container[:12]} python3 --version",
        )
    return _judge(ran, attempt)


def _judge(ran: Ran, attempt: Attempt) -> dict[str, Any]:
    try:
        document = read_document(ran.answer)
    except ValueError:
        raise describe_end(ran, attempt) from None
    if not document["ok"]:
        raise describe_failure(document, attempt, ran.stderr)
    return document


def _decode(document: dict[str, Any]) -> ModelAnswer:
    answer = decode_answer(document)
    return answer if is_database_url(answer.database_url) else replace(answer, database_url="")


def _start_script(question: ModelQuestion, deadline_s: float) -> str:
    """Return the probe as one text, with its request; the deadline is the reader's, and no part of the question."""
    request = {
        "folder": question.place.folder,
        "dialect": str(question.dialect or ""),
        "reference": question.reference,
        "alembic_ini": question.alembic_ini,
        "manage_py": question.manage_py,
        "deadline_s": deadline_s,
        "supervise": bool(question.place.container),
    }
    return _START.format(texts=_probe_texts(question.framework), request=json.dumps(request))


@cache
def _probe_texts(framework: str) -> list[tuple[str, str]]:
    folder = resources.files("devenv.adapters.models")
    return [(name, folder.joinpath(name).read_text(encoding="utf-8")) for name in (*_PROTOCOL, *_PROBES[framework])]
