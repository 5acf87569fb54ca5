"""Models that cannot be read: what they raise, print, start and wait for becomes one finding, and nothing is left."""

from __future__ import annotations

import socket
import time
from functools import partial
from pathlib import Path

import pytest

from devenv.adapters.models.reader import read_models
from devenv.domain.findings import Severity
from devenv.schema.ports import CannotLook
from tests.support.venvs import DJANGO_52, SQLALCHEMY_20, SQLALCHEMY_21, ask, build_venv, write_files

DEADLINE_S = 20.0
read = partial(read_models, cache_dir=None, deadline_s=DEADLINE_S)

GOOD = """
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture(scope="module")
def venv(request: pytest.FixtureRequest) -> Path:
    """Return an environment with SQLAlchemy 2.1 and pg8000, without psycopg and greenlet."""
    return build_venv(request.config, SQLALCHEMY_21)


def fail(venv: Path, folder: Path, models: str, *, deadline_s: float = DEADLINE_S, **environment: str) -> CannotLook:
    """Return the failure of reading `models:metadata`."""
    write_files(folder, {"models.py": models})
    with pytest.raises(CannotLook) as caught:
        read(ask(venv, folder, reference="models:metadata", environment=environment), deadline_s=deadline_s)
    assert caught.value.severity is Severity.UNKNOWN
    return caught.value


@pytest.mark.parametrize(
    ("models", "code", "reason"),
    [
        ("import nowhere", "models-not-importable", "has no package nowhere"),
        ("import models.deeper", "models-not-importable", "(models.py:1): no module models.deeper in /"),
        ("def broken(:", "models-not-importable", "cannot be imported (models.py:1): SyntaxError"),
        ("\nraise ValueError('bad value')", "models-not-importable", "(models.py:2): ValueError: bad value"),
        ("raise KeyboardInterrupt", "models-not-importable", "(models.py:1): KeyboardInterrupt"),
        ("exit(3)", "models-not-importable", "ends the program with exit 3 (models.py:1)"),
        ("import os; os._exit(3)", "models-not-importable", "ended with exit status 3 and gave no answer"),
        ("import os; os.kill(os.getpid(), 11)", "models-not-importable", "was killed by SIGSEGV and gave no answer"),
        ("metadata = 3", "models-not-importable", "is of type int, which holds no SQLAlchemy metadata"),
        ("from sqlalchemy import MetaData; other = MetaData()", "models-not-importable", "named so; it has other"),
        ("from sqlalchemy import MetaData; metadata = MetaData()", "models-empty", "has no table"),
        ("\0binary\x01", "models-not-importable", "models:metadata cannot be imported"),
    ],
)
def test_finding_says_what_happened_when_models_cannot_be_imported(
    venv: Path, tmp_path: Path, models: str, code: str, reason: str
) -> None:
    """One sentence with the values seen, and a command."""
    failure = fail(venv, tmp_path, models)
    assert (failure.code, reason in failure.reason, bool(failure.fix)) == (code, True, True), failure.reason


def test_password_is_hidden_when_the_users_code_shows_it(venv: Path, tmp_path: Path) -> None:
    """Neither that of a URL nor the value of a secret variable comes out, whichever way it was said."""
    models = """\
        import os, sys
        print("connecting to postgresql://app:pa55word@db/app", file=sys.stderr)
        raise ValueError("cannot use " + os.environ["API_TOKEN"] + " with redis://:hunter22@cache")
    """
    failure = fail(venv, tmp_path, models, API_TOKEN="t0ken-value")
    shown = " ".join((failure.reason, failure.fix, *failure.details))
    assert [secret for secret in ("pa55word", "t0ken-value", "hunter22") if secret in shown] == []
    assert "postgresql://app:***@db/app" in shown


def test_driver_is_explained_when_sqlalchemy_21_means_another_one(venv: Path, tmp_path: Path) -> None:
    """`postgresql://` has changed its meaning."""
    failure = fail(venv, tmp_path, "import sqlalchemy\nsqlalchemy.create_engine('postgresql://a@b/c')")
    assert failure.reason.endswith("since SQLAlchemy 2.1, postgresql:// means psycopg 3 and no longer psycopg2")
    assert failure.fix.endswith("-m pip install 'psycopg[binary]'")


def test_greenlet_is_explained_when_sqlalchemy_21_runs_asynchronously(venv: Path, tmp_path: Path) -> None:
    """It is no longer installed with SQLAlchemy."""
    models = """\
        import asyncio
        from sqlalchemy.util import greenlet_spawn
        asyncio.run(greenlet_spawn(print))
    """
    failure = fail(venv, tmp_path, models)
    assert "has no package greenlet; SQLAlchemy 2.1 no longer installs greenlet" in failure.reason


@pytest.mark.parametrize(
    ("lock", "fix"),
    [
        ("uv.lock", "uv sync"),
        ("poetry.lock", "poetry install"),
        ("requirements.txt", "-m pip install -r requirements.txt"),
    ],
)
def test_install_command_is_the_projects_own_when_a_package_is_missing(
    venv: Path, tmp_path: Path, lock: str, fix: str
) -> None:
    """It follows the lock file that lies in the service's folder."""
    write_files(tmp_path, {lock: "nowhere==1\n"})
    assert fail(venv, tmp_path, "import nowhere").fix.endswith(fix)


def test_library_is_named_when_the_interpreter_lacks_it(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """The wrong interpreter is the usual cause: the finding says which one and how it was found."""
    failure = fail(build_venv(request.config, DJANGO_52), tmp_path, GOOD)
    assert "/bin/python (found by python of its command) has no SQLAlchemy" in failure.reason


def test_program_is_named_when_there_is_no_python(tmp_path: Path) -> None:
    """Without any interpreter nothing is run."""
    question = ask(tmp_path, tmp_path, reference="models:metadata", environment={"PATH": str(tmp_path)})
    with pytest.raises(CannotLook) as caught:
        read(question)
    assert caught.value.code == "no-interpreter"


@pytest.mark.parametrize(
    "models",
    [
        "while True: pass",
        "import time; time.sleep(60)",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)",
        "import subprocess; subprocess.run(['sleep', '60'])",
        "import os, time\nos.fork()\ntime.sleep(60)",
        "import threading, time\nt = threading.Thread(target=time.sleep, args=(60,))\nt.start()\nt.join()",
    ],
)
def test_probe_is_ended_with_its_children_when_models_hang(venv: Path, tmp_path: Path, models: str) -> None:
    """The deadline holds, the line is named, and the leak check of this test finds no process."""
    began = time.monotonic()
    failure = fail(venv, tmp_path, f"print('loading')\n{models}", deadline_s=1.5)
    assert time.monotonic() - began < 3.0
    assert failure.code == "models-hung"
    assert failure.reason.startswith("reading models:metadata did not end within 1.5 s; it was at models.py:")
    assert failure.place == f"models.py:{1 + models.count(chr(10)) + 1}"


@pytest.mark.parametrize(
    "extra",
    [
        "print('x' * 1_000_000)",
        "import sys; sys.stderr.write('y' * 1_000_000)",
        "import os; os.write(1, b'{\"ok\": false}\\n')",
        "import sys; sys.stdout = None; sys.stderr.close()",
        "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()",
        "import subprocess; subprocess.Popen(['sleep', '60'])",
        "import os, time\nif os.fork() == 0:\n    time.sleep(60)",
        "import subprocess; subprocess.Popen('while :; do echo loud >&2; done', shell=True)",
        "import atexit, time; atexit.register(time.sleep, 60)",
        "import sys; sys.path.clear(); sys.argv.clear(); sys.stdin.read()",
    ],
)
def test_models_are_read_when_their_module_does_odd_things(venv: Path, tmp_path: Path, extra: str) -> None:
    """Output cannot break the protocol; threads and children are not waited for, and are gone afterwards."""
    write_files(tmp_path, {"models.py": f"{GOOD}\n{extra}\n"})
    began = time.monotonic()
    answer = read(ask(venv, tmp_path, reference="models:metadata"))
    assert [table.name for table in answer.schema.tables] == ["t"]
    assert time.monotonic() - began < DEADLINE_S / 2


def test_nothing_connects_when_models_open_a_connection(venv: Path, tmp_path: Path) -> None:
    """A server that listens where the URL points is never called, and the line that wanted to is named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.0)
        url = f"postgresql+pg8000://app:secret@127.0.0.1:{server.getsockname()[1]}/app"
        failure = fail(venv, tmp_path, f"import sqlalchemy\n\nsqlalchemy.create_engine('{url}').connect()\n")
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (failure.code, failure.place) == ("models-connect", "models.py:3")
    assert failure.reason.startswith("models:metadata opens a database connection while it is imported (models.py:3)")


def test_nothing_is_written_when_models_are_read(venv: Path, tmp_path: Path) -> None:
    """Not even compiled files."""
    write_files(tmp_path, {"app/__init__.py": "", "app/models.py": GOOD})
    read(ask(venv, tmp_path, reference="app.models:metadata"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["__init__.py", "app", "models.py"]


def test_environment_is_exactly_the_services_when_models_are_read(
    venv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What devenv itself was started with does not reach the models; what the service gets does."""
    monkeypatch.setenv("TABLE", "ours")
    models = """\
        import os
        import sqlalchemy as sa
        metadata = sa.MetaData()
        for name in (os.environ.get("TABLE", "unset"), os.environ["OTHER"]):
            sa.Table(name, metadata, sa.Column("id", sa.Integer))
    """
    write_files(tmp_path, {"models.py": models})
    answer = read(ask(venv, tmp_path, reference="models:metadata", environment={"OTHER": "given"}))
    assert [table.name for table in answer.schema.tables] == ["unset", "given"]


def test_models_are_read_when_the_version_is_another_one(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """A service that says which of two environments is its own gets that one, whatever this process runs on."""
    venv = build_venv(request.config, SQLALCHEMY_20)
    models = f"{GOOD}\nsa.Table('v' + sa.__version__[:3], metadata, sa.Column('id', sa.Integer))\n"
    write_files(tmp_path, {"models.py": models})
    answer = read(ask(venv, tmp_path, reference="models:metadata"))
    assert [table.name for table in answer.schema.tables] == ["t", "v2.0"]
