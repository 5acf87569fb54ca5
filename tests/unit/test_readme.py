"""What the README says of states and exit statuses is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from devenv.domain.errors import BY_CODE, DevenvError
from devenv.domain.lifecycle import to_mermaid

README = Path(__file__).parents[2] / "README.md"


def block(name: str) -> str:
    """Return what stands between the two marks of `name`."""
    found = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README.read_text(), re.DOTALL)
    assert len(found) == 1, f"README.md has {len(found)} blocks <!-- {name} --> ... <!-- /{name} -->, not one"
    return str(found[0])


def test_state_diagram_is_the_generated_one() -> None:
    """The table of transitions is the only source."""
    assert block("states").strip() == f"```mermaid\n{to_mermaid()}\n```"


def test_exit_status_table_lists_every_code() -> None:
    """Each known failure with its status, success, bugs, and nothing that does not exist."""
    rows = re.findall(r"^\| (\d+) \| (?:`([\w-]+)` )?\| (.+) \|$", block("exit-statuses"), re.MULTILINE)
    listed = {code: int(status) for status, code, _ in rows}
    known = {code: leaf.exit_status for code, leaf in BY_CODE.items()}
    assert listed == {"": 0, **known, DevenvError.code: DevenvError.exit_status}
    assert len(rows) == len(listed)
    assert [int(status) for status, _, _ in rows] == sorted(listed.values())
