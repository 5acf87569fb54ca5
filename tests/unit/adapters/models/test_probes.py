"""What can be told of the probes without running them: they fit the Pythons of users, and their words decode."""

from __future__ import annotations

import ast
import json
import sys
from importlib import resources

import pytest

from devenv.adapters.models.decoding import decode_answer, read_document

PROBES = ("probe_places.py", "probe_protocol.py", "sqlalchemy_tables.py", "sqlalchemy_probe.py", "django_probe.py")


@pytest.mark.parametrize("name", PROBES)
def test_probe_is_python_38_when_it_is_sent(name: str) -> None:
    """It runs in interpreters that are older than ours, and imports nothing but their standard library."""
    text = resources.files("devenv.adapters.models").joinpath(name).read_text()
    tree = ast.parse(text, feature_version=(3, 8))
    guarded = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in tree.body
        if node not in guarded and isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert {module.partition(".")[0] for module in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("text", ["", "hello", "[]", "3", "{}", '{"ok": true'])
def test_document_is_refused_when_it_is_not_that_of_a_probe(text: str) -> None:
    """What else comes on the channel is no answer."""
    with pytest.raises(ValueError, match=r"."):
        read_document(text)


@pytest.mark.parametrize("document", ['{"ok": true}', '{"ok": true, "tables": 3}', '{"ok": true, "dialect": "oracle"}'])
def test_answer_is_refused_when_something_is_missing(document: str) -> None:
    """Half an answer is none."""
    with pytest.raises(ValueError, match=r"."):
        decode_answer(json.loads(document))
