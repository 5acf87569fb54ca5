"""What the counts of a cache's keys mean by the rules of its service."""

from __future__ import annotations

import json

from devenv.domain.caches import (
    KeyCounts,
    NotCounted,
    PatternCount,
    decode_counts,
    encode_counts,
    judge_cache,
)
from devenv.domain.findings import Severity
from devenv.domain.model import CacheRules

RULES = CacheRules(prefixes={"booking:*": 300.0, "free:*": None})


def test_nothing_is_found_when_every_key_carries_its_ttl() -> None:
    """Without a limit any TTL will do."""
    patterns = {"booking:*": PatternCount(keys=9, longest_s=300), "free:*": PatternCount(keys=2, longest_s=9e9)}

    assert judge_cache("api", RULES, KeyCounts(patterns=patterns, seen=11), None) == ()


def test_keys_are_found_when_they_have_no_ttl() -> None:
    """The count and an example; how to mend it says the limit."""
    patterns = {"booking:*": PatternCount(keys=1_204, without_ttl=3, example="booking:7")}

    (finding,) = judge_cache("api", RULES, KeyCounts(patterns=patterns), None)

    assert (finding.id, finding.severity) == ("cache-no-ttl:booking:*", Severity.WARNING)
    assert finding.text == (
        "3 of 1,204 keys booking:* in the cache of api have no TTL and never expire, such as booking:7"
    )
    assert finding.fix == "give every key booking:* a TTL where it is written (300 s at most)"


def test_keys_are_found_when_their_ttl_is_above_the_declared() -> None:
    """The longest one is said."""
    patterns = {"booking:*": PatternCount(keys=5, above_ttl=1, example="booking:7", longest_s=3_600)}

    (finding,) = judge_cache("api", RULES, KeyCounts(patterns=patterns), None)

    assert (finding.id, finding.severity) == ("cache-long-ttl:booking:*", Severity.WARNING)
    assert "lives longer than the 300 s declared, the longest 3,600 s" in finding.text


def test_undeclared_prefix_is_noted_when_it_is_first_seen() -> None:
    """Nobody knows yet whether it grows."""
    (finding,) = judge_cache("api", RULES, KeyCounts(undeclared={"session:*": 4}), None)

    assert (finding.id, finding.severity) == ("cache-undeclared:session:*", Severity.INFO)


def test_undeclared_prefix_is_a_warning_when_it_grew() -> None:
    """From one audit to the next; a new one grew from nothing."""
    before = KeyCounts(undeclared={"session:*": 4, "old:*": 9})
    now = KeyCounts(undeclared={"session:*": 5, "old:*": 9, "new:*": 1})

    found = {finding.id: finding.severity for finding in judge_cache("api", RULES, now, before)}

    assert found == {
        "cache-undeclared:session:*": Severity.WARNING,
        "cache-undeclared:old:*": Severity.INFO,
        "cache-undeclared:new:*": Severity.WARNING,
    }


def test_growth_is_not_judged_when_an_audit_was_cut() -> None:
    """Two samples of a cache are not two counts of it."""
    before = KeyCounts(undeclared={"session:*": 4}, seen=100, is_cut=True)
    now = KeyCounts(undeclared={"session:*": 40}, seen=1_000, is_cut=True)

    (finding,) = judge_cache("api", RULES, now, before)

    assert finding.severity is Severity.INFO
    assert finding.text.endswith("of the first 1,000 keys")


def test_cache_is_unknown_when_it_could_not_be_asked() -> None:
    """What was not looked at is not well."""
    (finding,) = judge_cache("api", RULES, NotCounted(reason="nothing listens on 127.0.0.1:6379"), None)

    assert (finding.id, finding.severity) == ("cache-unreachable:api", Severity.UNKNOWN)
    assert "nothing listens on 127.0.0.1:6379" in finding.text


def test_counts_are_the_same_when_they_come_back_from_the_state_file() -> None:
    """Through JSON."""
    count = PatternCount(keys=3, without_ttl=1, above_ttl=1, example="booking:ü", longest_s=1.5)
    counts = KeyCounts(patterns={"booking:*": count}, undeclared={"a:*": 2}, seen=5, is_cut=True)

    assert decode_counts(json.loads(json.dumps(encode_counts(counts)))) == counts
