"""Reads `clean:`: what may be removed to give disk space back, and how long logs may grow.

Must not look at what is there to remove. Invariant: what comes out holds no glob that leads out of the project.
"""

from devenv.config.mistakes import note_all
from devenv.config.schema.keys import read_keys
from devenv.config.schema.upkeep import CleanInput
from devenv.config.text import paths
from devenv.config.text.nodes import Document
from devenv.config.text.problems import Problems
from devenv.config.values import say
from devenv.domain.cleaning import BuildCacheRules, CleanRules, LogRules


def read_clean(document: Document, value: object, problems: Problems) -> CleanRules | None:
    """Return the rules that `value` (the key's data, variables replaced) holds; None where it holds nothing."""
    if value is None:
        return None
    if not isinstance(value, dict):
        message = f"clean must be a mapping of settings, not {say(value)}"
        problems.add(document.file, document.place(("clean",)), message)
        return None
    given, mistakes = read_keys(CleanInput, value)
    note_all(document, ("clean",), mistakes, problems)
    cache = given.build_cache
    if cache and all(item is None for item in value["build_cache"].values()):
        place = document.place(("clean", "build_cache"))
        problems.add(document.file, place, "build_cache needs keep, older_than or both", hint="keep: 10GB")
    return CleanRules(
        root=paths.folder_of(document.file.path),
        paths=tuple(dict.fromkeys(given.paths)),
        caches=tuple(dict.fromkeys(given.caches)),
        build_cache=BuildCacheRules(keep_bytes=cache.keep, older_than_s=cache.older_than) if cache else None,
        logs=LogRules(size_bytes=given.logs.size, keep=given.logs.keep) if given.logs else LogRules(),
    )
