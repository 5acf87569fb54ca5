"""The values of `git:`: branches, remotes, messages, words.

As `values`: what YAML gave to values of the domain, or ValueError with one plain sentence. Invariant: a name that is
returned is one that git takes, and never one that it could read as an option.
"""

import re
from collections.abc import Mapping

from devenv.config.text.problems import suggest
from devenv.config.values import read_filled, say
from devenv.domain.git_rules import CommitPolicy, Pull

PULLS: Mapping[str, Pull] = {choice.value: choice for choice in Pull}
COMMITS: Mapping[str, CommitPolicy] = {choice.value: choice for choice in CommitPolicy}

_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = ("date", "branch")


def read_branch(value: object) -> str:
    """Return the name of a branch."""
    name = read_filled(value)
    if name == "HEAD":
        raise ValueError("HEAD is what is checked out, not the name of a branch")
    if fault := _find_fault(name):
        raise ValueError(f"{say(name)} is not the name of a branch: {fault}")
    return name


def read_remote(value: object) -> str:
    """Return the name of a remote; a URL is not repeated, as it may hold a password."""
    name = read_filled(value)
    if "://" in name:
        raise ValueError("a remote is given by its name, not by its URL; `git remote -v` lists the names")
    if fault := _find_fault(f"{name}/x"):  # git makes names of its branches with it
        raise ValueError(f"{say(name)} is not the name of a remote: {fault}")
    return name


def read_message(value: object) -> str:
    """Return the message of a commit, which may hold placeholders."""
    message = read_filled(value)
    for name in _PLACEHOLDER.findall(message):
        if name not in _PLACEHOLDERS:
            known = suggest(name, _PLACEHOLDERS) or f"known: {', '.join(f'{{{one}}}' for one in _PLACEHOLDERS)}"
            raise ValueError(f"the placeholder {{{name}}} is unknown; {known}")
    return message


def _find_fault(name: str) -> str:
    """Return why git refuses a name (`git check-ref-format`, and no option), '' for one that it takes."""
    if name.startswith("-"):
        return "it begins with a dash"
    if found := _REFUSED.search(name):
        what = found[0]
        return "it holds a space" if what == " " else f'it holds "{what}"' if what.isprintable() else _UNPRINTABLE
    parts = name.split("/")
    if "" in parts:
        return "there is nothing before, between or after its slashes"
    if any(part.startswith(".") for part in parts) or name.endswith("."):
        return "a part of it begins, or it ends, with a dot"
    if any(part.endswith(".lock") for part in parts):
        return 'a part of it ends with ".lock"'
    return "git means something else by it" if name == "@" else ""


_UNPRINTABLE = "it holds a character that cannot be printed"
