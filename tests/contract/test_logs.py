"""What every `Logs` does, the fake and the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.adapters.logs.files import LogFiles
from devenv.app.ports import Logs
from tests.support.fakes_processes import FakeLogs

Write = Callable[[str, str], None]


@pytest.fixture(params=["fake", "files", "rotated files"])
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Logs, Write]:
    """Give each implementation, and how a service writes to it; the third is rotated after every write."""
    if request.param == "fake":
        fake = FakeLogs()
        return fake, fake.write
    files = LogFiles(tmp_path)

    def write(service: str, text: str) -> None:
        with Path(files.path(service)).open("a") as file:
            file.write(text)
        if request.param == "rotated files":
            files.rotate(service)

    return files, write


def test_size_is_nothing_when_never_written(logs: tuple[Logs, Write]) -> None:
    """A service without a log has written nothing."""
    assert logs[0].size("web") == 0


def test_size_counts_all_bytes(logs: tuple[Logs, Write]) -> None:
    """Every byte counts, wherever it lies now."""
    files, write = logs
    for _ in range(3):
        write("web", "0123456789\n" * 1000)
    assert files.size("web") == 33_000


def test_read_since_gives_what_came_after(logs: tuple[Logs, Write]) -> None:
    """The text since an offset is exactly that."""
    files, write = logs
    write("web", "old\n" * 3000)
    start = files.size("web")
    write("web", "new\n")
    assert files.read_since("web", start, 1000) == "new\n"


def test_read_since_gives_the_end_when_limited(logs: tuple[Logs, Write]) -> None:
    """Of too much, the end counts."""
    files, write = logs
    write("web", "a" * 9000 + "end")
    assert files.read_since("web", 0, 5) == "aaend"


def test_read_since_gives_nothing_when_nothing_came(logs: tuple[Logs, Write]) -> None:
    """Nothing new is an empty text."""
    files, write = logs
    write("web", "old\n")
    assert files.read_since("web", files.size("web"), 100) == ""


def test_tail_gives_the_last_lines(logs: tuple[Logs, Write]) -> None:
    """The last lines come in order."""
    files, write = logs
    write("web", "".join(f"line {number}\n" for number in range(5000)))
    assert files.tail("web", 2) == ("line 4998", "line 4999")


def test_tail_gives_only_the_new_when_since_is_given(logs: tuple[Logs, Write]) -> None:
    """Lines of an earlier start do not count."""
    files, write = logs
    write("web", "old\n")
    start = files.size("web")
    write("web", "new\n")
    assert files.tail("web", 10, start) == ("new",)


def test_tail_cuts_when_a_line_is_long(logs: tuple[Logs, Write]) -> None:
    """A line of a megabyte does not flood the report."""
    files, write = logs
    write("web", "x" * 1_000_000 + "\n")
    assert files.tail("web", 1) == ("x" * 500,)


def test_logs_are_apart_when_services_differ(logs: tuple[Logs, Write]) -> None:
    """One service's log is not another's."""
    files, write = logs
    write("web", "web\n")
    write("web2", "web2\n")
    assert (files.tail("web", 9), files.tail("web2", 9)) == (("web",), ("web2",))
