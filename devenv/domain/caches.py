"""What a cache holds, as counts by key pattern, and what is wrong with it by the rules of its service.

Pure. Must not know a client. Invariants: growth is judged only between two audits that saw every key, and a cache that
could not be asked is a finding, never "ok".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from devenv.domain.findings import Finding, Severity, Topic
from devenv.domain.model import CacheRules


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternCount:
    """The keys of one declared pattern; `example` is one of those that are wrong, `longest_s` the longest TTL seen."""

    keys: int = 0
    without_ttl: int = 0
    above_ttl: int = 0
    example: str = ""
    longest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCounts:
    """What one audit saw. `undeclared` counts the keys of no declared pattern by what their names begin with.

    `seen` is how many keys were looked at; `is_cut` says that there are more.
    """

    patterns: Mapping[str, PatternCount] = field(default_factory=dict)
    undeclared: Mapping[str, int] = field(default_factory=dict)
    seen: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted:
    """A cache that could not be asked; `reason` is one sentence without a password."""

    reason: str


def judge_cache(
    service: str, rules: CacheRules, counts: KeyCounts | NotCounted, previous: KeyCounts | None
) -> tuple[Finding, ...]:
    """Return what the keys of the cache of `service` say; `previous` is what the last audit counted, None before it."""
    if isinstance(counts, NotCounted):
        text = f"the cache of {service} could not be looked at: {counts.reason}"
        return (_finding("unreachable", service, Severity.UNKNOWN, text, "devenv status"),)
    return (*_judge_patterns(service, rules, counts), *_judge_undeclared(service, counts, previous))


def encode_counts(counts: KeyCounts) -> dict[str, object]:
    """Return counts as plain data, for the state file."""
    return {
        "patterns": {
            pattern: [one.keys, one.without_ttl, one.above_ttl, one.example, one.longest_s]
            for pattern, one in counts.patterns.items()
        },
        "undeclared": dict(counts.undeclared),
        "seen": counts.seen,
        "is_cut": counts.is_cut,
    }


def decode_counts(data: Mapping[str, Any]) -> KeyCounts:
    """Rebuild the counts that `encode_counts` took apart."""
    patterns = {
        pattern: PatternCount(keys=keys, without_ttl=without, above_ttl=above, example=example, longest_s=longest)
        for pattern, (keys, without, above, example, longest) in data["patterns"].items()
    }
    return KeyCounts(patterns=patterns, undeclared=dict(data["undeclared"]), seen=data["seen"], is_cut=data["is_cut"])


def _judge_patterns(service: str, rules: CacheRules, counts: KeyCounts) -> Iterator[Finding]:
    for pattern, limit_s in rules.prefixes.items():
        count = counts.patterns.get(pattern, PatternCount())
        example = f", such as {count.example}" if count.example else ""
        if count.without_ttl:
            verb = "has" if count.without_ttl == 1 else "have"
            lead = f"{count.without_ttl:,} of {count.keys:,} keys {pattern} in the cache of {service}"
            text = f"{lead} {verb} no TTL and never {'expires' if count.without_ttl == 1 else 'expire'}{example}"
            ttl = f" ({limit_s:g} s at most)" if limit_s is not None else ""
            fix = f"give every key {pattern} a TTL where it is written{ttl}"
            yield _finding("no-ttl", pattern, Severity.WARNING, text, fix)
        if limit_s is not None and count.above_ttl:
            verb = "lives" if count.above_ttl == 1 else "live"
            text = (
                f"{count.above_ttl:,} of {count.keys:,} keys {pattern} in the cache of {service} {verb} longer "
                f"than the {limit_s:g} s declared, the longest {count.longest_s:,.0f} s{example}"
            )
            fix = f"shorten the TTL where {pattern} is written, or declare it under cache.prefixes"
            yield _finding("long-ttl", pattern, Severity.WARNING, text, fix)


def _judge_undeclared(service: str, counts: KeyCounts, previous: KeyCounts | None) -> Iterator[Finding]:
    can_grow = previous is not None and not previous.is_cut and not counts.is_cut
    some = f", of the first {counts.seen:,} keys" if counts.is_cut else ""
    for prefix, number in counts.undeclared.items():
        before = previous.undeclared.get(prefix, 0) if previous else 0
        keys = f"{number:,} {'key' if number == 1 else 'keys'} {prefix}"
        fix = f"declare {prefix} with its TTL under cache.prefixes of {service}"
        if can_grow and number > before:
            text = f"the cache of {service} holds {keys}, which nobody declared; at the last check it was {before:,}"
            yield _finding("undeclared", prefix, Severity.WARNING, text, fix)
        else:
            text = f"the cache of {service} holds {keys}, which nobody declared{some}"
            yield _finding("undeclared", prefix, Severity.INFO, text, fix)


def _finding(kind: str, about: str, severity: Severity, text: str, fix: str) -> Finding:
    return Finding(id=f"cache-{kind}:{about}", severity=severity, topic=Topic.CACHE, text=text, fix=fix)
