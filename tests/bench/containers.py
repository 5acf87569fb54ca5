"""Stacks of containers against Docker Compose, and against what their containers take by themselves.

Must not know how devenv does it. Invariant: all contestants of a row bring up the same file, one after the other, in
an order that changes with each round.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.alone import WEB, find_longest, measure_alone, read_needs
from tests.bench.lab import STACKS, Lab
from tests.bench.rows import Row, compare, middle, show_ms

Samples = dict[str, dict[str, list[float]]]

CHAIN = ("s1", "s2", "s3", "s4", "s5")
_NO_GRACE = ("-t", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One way to bring up a stack: its folder, and the command for each verb."""

    name: str
    folder: Path
    project: str
    command: Callable[..., list[str]]

    def words(self, lab: Lab, *words: str) -> list[str]:
        """Return the command line for a verb."""
        return self.command(lab, self, *words)


def _devenv(lab: Lab, one: Contestant, *words: str) -> list[str]:
    return lab.devenv(one.folder, one.project, *words)


def _compose(lab: Lab, one: Contestant, *words: str) -> list[str]:
    return lab.compose(one.project, *words)


@dataclass(slots=True, kw_only=True)
class ChainRun:
    """The 5-chain, up, up again, looked at, and down, for each contestant in each round."""

    up: dict[str, list[float]] = field(default_factory=dict)
    noop: dict[str, list[float]] = field(default_factory=dict)
    look: dict[str, list[float]] = field(default_factory=dict)
    down: dict[str, list[float]] = field(default_factory=dict)


def run_chain(lab: Lab) -> list[Row]:
    """Cases 1, 4, 6 (deaf inits) and 7, which need the same stack up."""
    probed = "compose: [compose.yaml]\nservices:\n" + "".join(f"  {name}: {{ready: {{http: /}}}}\n" for name in CHAIN)
    contestants = (
        Contestant(
            name="devenv", folder=lab.stack("chain-bare", "chain5.yml"), project=f"{lab.prefix}a", command=_devenv
        ),
        Contestant(
            name="devenv+http", folder=lab.stack("chain-http", "chain5.yml", probed), project=f"{lab.prefix}b",
            command=_devenv,
        ),
        Contestant(
            name="compose", folder=lab.stack("chain-compose", "chain5.yml"), project=f"{lab.prefix}c", command=_compose
        ),
    )  # fmt: skip
    seen, more = ChainRun(), {"BASE_PORT": lab.find_base_port()}
    for number in range(lab.rounds):
        for name in lab.shuffled(one.name for one in contestants):
            one = next(one for one in contestants if one.name == name)
            _chain_turn(lab, one, more, seen, slow_down=number == 0)
    return _chain_rows(seen)


def _chain_turn(lab: Lab, one: Contestant, more: Mapping[str, str], seen: ChainRun, *, slow_down: bool) -> None:
    """Give one contestant its turn; Compose's own slow `down` is waited for once."""
    peer = one.name == "compose"
    up = one.words(lab, "up", "-d", "--wait") if peer else one.words(lab, "up")
    try:
        seen.up.setdefault(one.name, []).append(lab.time(up, one.folder, more))
        for _ in range(3):
            seen.noop.setdefault(one.name, []).append(lab.time(up, one.folder, more))
        if peer or one.name == "devenv":
            _look(lab, one, more, seen)
        if not peer or slow_down:
            seen.down.setdefault(one.name, []).append(lab.time(one.words(lab, "down"), one.folder, more))
    finally:
        lab.run(one.words(lab, "down", *_NO_GRACE), one.folder, more, check=False)
        lab.clear_project(one.project)


def _look(lab: Lab, one: Contestant, more: Mapping[str, str], seen: ChainRun) -> None:
    """Time what only looks: `status` or `ps`, beside a Python that does nothing."""
    import sys

    bare = [sys.executable, "-c", "pass"]
    own = one.words(lab, "ps") if one.name == "compose" else one.words(lab, "status")
    for _ in range(6):
        for name in lab.shuffled((one.name, "python")):
            seen.look.setdefault(name, []).append(lab.time(bare if name == "python" else own, one.folder, more))


def _chain_rows(seen: ChainRun) -> list[Row]:
    peer = ("compose --wait", seen.up["compose"])
    again = ("compose --wait", seen.noop["compose"])
    rows = [
        compare("up-chain", "up, 5-chain, zero configuration", ("devenv", seen.up["devenv"]), peer, 0.20),
        compare("up-chain", "up, 5-chain, ready: http", ("devenv", seen.up["devenv+http"]), peer, 0.20),
        compare("noop", "up again, 5-chain, zero configuration", ("devenv", seen.noop["devenv"]), again, 0.08),
        compare("noop", "up again, 5-chain, ready: http", ("devenv", seen.noop["devenv+http"]), again, 0.08),
    ]
    beside = f"compose down {show_ms(seen.down['compose'])} ms"
    for name, what in (("devenv", "zero configuration"), ("devenv+http", "ready: http")):
        own = seen.down[name]
        detail = f"{show_ms(own)} ms, n={len(own)}; {beside}"
        what_ended = f"down, 5-chain deaf to TERM, {what}"
        rows.append(Row(case="down", what=what_ended, value=middle(own), limit=1.2, unit="s", detail=detail))
    status = ("devenv status", seen.look["devenv"])
    rows.append(compare("status", "status over compose ps", status, ("compose ps", seen.look["compose"]), 1.0))
    rows.append(compare("status", "status over python -c pass", status, ("python", seen.look["python"]), 12.0))
    return rows


def run_flat(lab: Lab) -> list[Row]:
    """Case 3: ten containers that wait for nobody."""
    contestants = {
        "devenv": Contestant(
            name="devenv", folder=lab.stack("flat-devenv", "flat10.yml"), project=f"{lab.prefix}d", command=_devenv
        ),
        "compose": Contestant(
            name="compose", folder=lab.stack("flat-compose", "flat10.yml"), project=f"{lab.prefix}e", command=_compose
        ),
    }
    more = {"BASE_PORT": lab.find_base_port()}
    seen = _race(lab, contestants, more, peer=("up", "-d"))
    return [compare("up-flat", "up, 10 alone", ("devenv", seen["devenv"]), ("compose up -d", seen["compose"]), 1.10)]


def _race(
    lab: Lab, contestants: Mapping[str, Contestant], more: Mapping[str, str], *, peer: tuple[str, ...]
) -> dict[str, list[float]]:
    seen: dict[str, list[float]] = {}
    for _ in range(lab.rounds):
        for name in lab.shuffled(contestants):
            one = contestants[name]
            up = one.words(lab, *peer) if name == "compose" else one.words(lab, "up")
            try:
                seen.setdefault(name, []).append(lab.time(up, one.folder, more))
            finally:
                lab.run(one.words(lab, "down", *_NO_GRACE), one.folder, more, check=False)
                lab.clear_project(one.project)
    return seen


def run_seven(lab: Lab) -> list[Row]:
    """Case 2, and case 6 on containers: the seven services, their critical path, and their own stop times."""
    http = "".join(f"  {name}: {{ready: {{http: /health}}}}\n" for name in WEB)
    probed = (
        "compose: [compose.yaml]\nservices:\n"
        '  postgres: {ready: {sql: "postgresql://app:app@127.0.0.1:${postgres.port}/app"}}\n'
        '  redis: {ready: {redis: "redis://127.0.0.1:${redis.port}"}}\n' + http
    )
    contestants = {
        "devenv": Contestant(
            name="devenv", folder=lab.stack("seven-bare", "seven.yml"), project=f"{lab.prefix}f", command=_devenv
        ),
        "devenv+probes": Contestant(
            name="devenv+probes", folder=lab.stack("seven-probes", "seven.yml", probed), project=f"{lab.prefix}g",
            command=_devenv,
        ),
        "compose": Contestant(
            name="compose", folder=lab.stack("seven-compose", "seven.yml"), project=f"{lab.prefix}h", command=_compose
        ),
    }  # fmt: skip
    more = {"BASE_PORT": lab.find_base_port()}
    alone = lab.stack("seven-alone", "seven.yml")
    ups: dict[str, list[float]] = {}
    downs: dict[str, list[float]] = {}
    starts: dict[str, list[float]] = {}
    stops: dict[str, list[float]] = {}
    for _ in range(lab.rounds):
        for name in lab.shuffled((*contestants, "alone")):
            if name == "alone":
                measure_alone(lab, alone, more, starts, stops)
            else:
                _seven_turn(lab, contestants[name], more, ups, downs)
    return _seven_rows(ups, downs, starts, stops)


def _seven_turn(
    lab: Lab, one: Contestant, more: Mapping[str, str], ups: dict[str, list[float]], downs: dict[str, list[float]]
) -> None:
    up = one.words(lab, "up", "-d", "--wait") if one.name == "compose" else one.words(lab, "up")
    try:
        ups.setdefault(one.name, []).append(lab.time(up, one.folder, more))
        downs.setdefault(one.name, []).append(lab.time(one.words(lab, "down"), one.folder, more))
    finally:
        lab.run(one.words(lab, "down", *_NO_GRACE), one.folder, more, check=False)
        lab.clear_project(one.project)


def _seven_rows(
    ups: dict[str, list[float]], downs: dict[str, list[float]], starts: dict[str, list[float]],
    stops: dict[str, list[float]],
) -> list[Row]:  # fmt: skip
    needs = read_needs(STACKS / "seven.yml")
    start_s, path = find_longest(needs, {name: middle(samples) for name, samples in starts.items()})
    stop_s, stop_path = find_longest(needs, {name: middle(samples) for name, samples in stops.items()})
    rows: list[Row] = []
    peer = ("compose --wait", ups["compose"])
    for name, what in (("devenv", "zero configuration"), ("devenv+probes", "own probes")):
        rows.append(compare("up-seven", f"up, 7 services, {what}", (name, ups[name]), peer, 0.62))
        own = middle(ups[name])
        detail = f"{name} {show_ms(ups[name])} ms, {' > '.join(path)} {start_s * 1000:.0f} ms"
        over = f"up, 7 services, {what}, over its critical path"
        rows.append(Row(case="up-seven", what=over, value=own / start_s, limit=1.20, detail=detail, samples=starts))
    own, beside = downs["devenv+probes"], f"compose down {show_ms(downs['compose'])} ms"
    chain = f"{' > '.join(reversed(stop_path))} {stop_s * 1000:.0f} ms"
    rows.append(
        Row(
            case="down-seven", what="down, 7 services, over the slowest chain of stops", value=middle(own) / stop_s,
            limit=1.15, detail=f"devenv {show_ms(own)} ms, {chain}; {beside}", samples=stops,
        )
    )  # fmt: skip
    return rows


def images_missing(lab: Lab) -> list[str]:
    """Return the fixture images that are not here."""
    wanted = ("fixture/busybox:latest", "fixture/pyweb:latest", "fixture/postgres:15", "fixture/redis:7")
    there = lab.run(["docker", "images", "--format", "{{json .}}"], lab.folder)
    have = {f"{row['Repository']}:{row['Tag']}" for line in there.splitlines() if (row := json.loads(line))}
    return [name for name in wanted if name not in have]
