"""Reads one key of services.yaml by itself: what it says counts, whatever is wrong with the rest.

Must not know the key. Invariant: the same key gives the same rules here and with the whole stack; a mistake that is
raised lies in the key, or in the file as YAML.
"""

from collections.abc import Callable
from typing import TypeVar

from devenv.config.opening import check_mapping, load_variables
from devenv.config.request import Request
from devenv.config.text.nodes import Document
from devenv.config.text.problems import Problems
from devenv.config.text.source import read_yaml
from devenv.config.text.variables import fill

Rules = TypeVar("Rules")


def read_part(
    path: str, key: str, request: Request, read: Callable[[Document, object, Problems], Rules | None]
) -> Rules | None:
    """Return what `read` makes of `key`, None where the file does not have it. Raises ConfigError."""
    problems = Problems(request.start)
    text = problems.open(path)
    document = read_yaml(text, problems) if text else None
    if document:
        check_mapping(document, problems)
    problems.raise_any(path)
    assert document is not None  # else something was raised
    elsewhere = Problems(request.start)
    variables, _, _ = load_variables(document, request.environment, elsewhere)
    rules = read(document, fill(document, variables, problems, at=(key,)).data, problems)
    problems.raise_any(path)
    return rules
