"""Reads `git:`: which branches go where, and which folders follow others.

Must not look at a repository: whether a folder or a branch exists is said when it is used. Invariant: every path is
absolute, and no mirror can reach into what it copies.
"""

from dataclasses import dataclass

from devenv.config.mistakes import note_all
from devenv.config.schema.keys import read_keys
from devenv.config.schema.upkeep import GitInput, MirrorInput, SyncInput
from devenv.config.text import paths
from devenv.config.text.nodes import Document, Path
from devenv.config.text.problems import Problems
from devenv.config.values import list_one, say
from devenv.domain.git_rules import GitRules, MirrorRule, Promotion, SyncRules


def read_git(document: Document, value: object, problems: Problems) -> GitRules | None:
    """Return the rules that `value` (the key's data, variables replaced) holds; None where it holds nothing."""
    if value is None:
        return None
    if not isinstance(value, dict):
        problems.add(document.file, document.place(("git",)), f"git must be a mapping of settings, not {say(value)}")
        return None
    given, mistakes = read_keys(GitInput, value)
    note_all(document, ("git",), mistakes, problems)
    reader = _Reader(document, problems)
    return GitRules(
        root=paths.folder_of(document.file.path),
        pull=given.pull,
        branch=given.branch or "",
        sync=reader.sync(given.sync) if given.sync else None,
        mirrors=reader.mirrors(given.mirror),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    document: Document
    problems: Problems

    def sync(self, given: SyncInput) -> SyncRules:
        promote = given.promote
        if promote and promote.from_ == promote.to:
            self._note(("sync", "promote", "to"), f"{promote.to} cannot be promoted to itself")
        return SyncRules(
            repos=tuple(dict.fromkeys(self._absolute(path) for path in given.repos or (".",))),
            remotes=tuple(dict.fromkeys(given.remotes)),
            branches=tuple(dict.fromkeys(given.branches)),
            promote=Promotion(source=promote.from_, target=promote.to) if promote else None,
            commit=given.commit,
            message=given.message,
            timeout_s=given.timeout,
        )

    def mirrors(self, given: object) -> tuple[MirrorRule, ...]:
        """Read each entry by itself; those that are right are held against each other."""
        targets: dict[str, int] = {}
        found: list[MirrorRule] = []
        for index, entry in enumerate(list_one(given) if given is not None else ()):
            mirror = self._mirror(index, entry)
            if mirror is None:
                continue
            first = targets.setdefault(mirror.target, index)
            if first != index:
                line, _ = self.document.place(("git", "mirror", first, "to"))
                self._note(("mirror", index, "to"), f"two mirrors have this target; the first is in line {line}")
            found.append(mirror)
        return tuple(found)

    def _mirror(self, index: int, entry: object) -> MirrorRule | None:
        at = ("mirror", index)
        if not isinstance(entry, dict):
            self._note(at, f"a mirror must be a mapping with from and to, not {say(entry)}")
            return None
        given, mistakes = read_keys(MirrorInput, entry)
        note_all(self.document, ("git", *at), mistakes, self.problems)
        for key in ("from", "to"):
            if entry.get(key) is None:
                self._note(at, f'a mirror needs "{key}"')
        if given.from_ is None or given.to is None:
            return None
        mirror = MirrorRule(
            source=self._absolute(given.from_), target=self._absolute(given.to), commit=given.commit or ""
        )
        if fault := _find_overlap(mirror):
            self._note((*at, "to"), fault)
        return mirror

    def _absolute(self, path: str) -> str:
        return paths.join(paths.folder_of(self.document.file.path), path)

    def _note(self, path: Path, message: str) -> None:
        self.problems.add(self.document.file, self.document.place(("git", *path)), message)


def _find_overlap(mirror: MirrorRule) -> str:
    """Return why a mirror would copy into itself, '' where it would not."""
    if mirror.source == mirror.target:
        return "a mirror's from and to are the same folder"
    if paths.is_within(mirror.target, mirror.source):
        return "a mirror's to lies inside its from"
    return "a mirror's from lies inside its to" if paths.is_within(mirror.source, mirror.target) else ""
