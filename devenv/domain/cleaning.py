"""What may be removed to give disk space back, and what came of it, as values.

The rules are built by `devenv.config`. Pure. Invariant: bytes are measured on what really went (or, in a dry run, on
what would go), never estimated; what was not removed is in `refused`, with its reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

CACHES = ("npm", "pnpm", "yarn", "pip", "uv")
"""The package managers whose caches can be emptied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCacheRules:
    """How much of the build cache stays: at most `keep_bytes`, and nothing unused for longer than `older_than_s`."""

    keep_bytes: int | None = None
    older_than_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRules:
    """When a service's log is rotated, and how many older pieces stay."""

    size_bytes: int = 16_000_000
    keep: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRules:
    """`clean:` of services.yaml. `paths` are globs below `root`; `caches` are some of `CACHES`."""

    root: str
    paths: tuple[str, ...] = ()
    caches: tuple[str, ...] = ()
    build_cache: BuildCacheRules | None = None
    logs: LogRules = LogRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclaimed:
    """What went of one kind (containers, networks, images, build cache, paths, npm cache, logs ...).

    `note` is what else is to be known of it, one phrase.
    """

    kind: str
    names: tuple[str, ...] = ()
    bytes: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that stays although it was asked for, and why."""

    name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What a prune came to; `is_dry_run` tells that nothing was touched."""

    reclaimed: tuple[Reclaimed, ...] = ()
    refused: tuple[Refused, ...] = ()
    is_dry_run: bool = False

    @property
    def bytes(self) -> int:
        """Return the bytes of all kinds."""
        return sum(one.bytes for one in self.reclaimed)


def join_reports(reports: Iterable[PruneReport], *, is_dry_run: bool) -> PruneReport:
    """Return several reports as one, in their order; rows of nothing are left out."""
    found = tuple(reports)
    rows = tuple(row for report in found for row in report.reclaimed if row.names or row.bytes)
    refused = tuple(one for report in found for one in report.refused)
    return PruneReport(reclaimed=rows, refused=refused, is_dry_run=is_dry_run)


def encode_report(report: PruneReport) -> dict[str, Any]:
    """Return a report as plain data, for the API and for `--json`."""
    return {**asdict(report), "bytes": report.bytes}


def decode_report(data: Mapping[str, Any]) -> PruneReport:
    """Rebuild the report that `encode_report` took apart."""
    reclaimed = tuple(Reclaimed(**{**one, "names": tuple(one["names"])}) for one in data["reclaimed"])
    refused = tuple(Refused(**one) for one in data["refused"])
    return PruneReport(reclaimed=reclaimed, refused=refused, is_dry_run=data["is_dry_run"])
