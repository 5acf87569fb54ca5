"""Stacks of containers against Docker Compose, and against what their containers take by themselves.

Must not know how devenv does it. Invariant: all contestants of a row bring up the same file, one after the other, in
an order that changes with each round.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.alone import WEB, Alone, find_longest, measure_alone, read_needs
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


_SLOW_ENDS = {"api": 0.5, "signup": 0.4, "docs": 1.0, "bouncer": 0.3, "web": 0.6}
"""Seconds that a web service takes to end after TERM, as one does that finishes its requests first."""


def run_seven(lab: Lab) -> list[Row]:
    """Case 2, and case 6 on containers: the seven services, their critical path, and their own stop times."""
    return _run_seven(lab, "seven", {})


def run_slow_ends(lab: Lab) -> list[Row]:
    """Case 6 on containers that take 0.3 to 1 s to end."""
    end = "lambda *_: (time.sleep(float(os.environ['END_S'])), os._exit(0))"
    program = (
        "import os, runpy, signal, time; real = signal.signal; "
        f"signal.signal = lambda number, _: real(number, {end}); runpy.run_path('/app/app.py')"
    )
    services = {
        name: {"command": ["python3", "-S", "-c", program], "environment": {"END_S": str(seconds)}}
        for name, seconds in _SLOW_ENDS.items()
    }
    override = {"compose.override.yaml": json.dumps({"services": services})}
    return [row for row in _run_seven(lab, "slow", override) if row.case == "down-slow"]


def _run_seven(lab: Lab, case: str, also: Mapping[str, str]) -> list[Row]:
    http = "".join(f"  {name}: {{ready: {{http: /health}}}}\n" for name in WEB)
    files = ", ".join(["compose.yaml", *also])
    probed = (
        f"compose: [{files}]\nservices:\n"
        '  postgres: {ready: {sql: "postgresql://app:app@127.0.0.1:${postgres.port}/app"}}\n'
        '  redis: {ready: {redis: "redis://127.0.0.1:${redis.port}"}}\n' + http
    )

    def stack(name: str, text: str = "") -> Path:
        return lab.stack(f"{case}-{name}", "seven.yml", text, also)

    mark = f"{lab.prefix}{case[:2]}"
    contestants = {
        "devenv": Contestant(name="devenv", folder=stack("bare"), project=f"{mark}f", command=_devenv),
        "devenv+probes": Contestant(
            name="devenv+probes", folder=stack("probes", probed), project=f"{mark}g", command=_devenv
        ),
        "compose": Contestant(name="compose", folder=stack("compose"), project=f"{mark}h", command=_compose),
    }
    more = {"BASE_PORT": lab.find_base_port()}
    alone, seen = stack("alone"), Alone()
    ups: dict[str, list[float]] = {}
    downs: dict[str, list[float]] = {}
    for _ in range(lab.rounds):
        for name in lab.shuffled((*contestants, "alone")):
            if name == "alone":
                measure_alone(lab, alone, more, seen)
            else:
                _seven_turn(lab, contestants[name], more, ups, downs)
    return [*_up_rows(ups, seen), *_down_rows(f"down-{case}", downs, seen)]


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


def _up_rows(ups: dict[str, list[float]], alone: Alone) -> list[Row]:
    needs = read_needs(STACKS / "seven.yml")
    start_s, path = find_longest(needs, {name: middle(samples) for name, samples in alone.starts.items()})
    rows: list[Row] = []
    peer = ("compose --wait", ups["compose"])
    for name, what in (("devenv", "zero configuration"), ("devenv+probes", "own probes")):
        rows.append(compare("up-seven", f"up, 7 services, {what}", (name, ups[name]), peer, 0.62))
        own = middle(ups[name])
        detail = f"{name} {show_ms(ups[name])} ms, {' > '.join(path)} {start_s * 1000:.0f} ms"
        over = f"up, 7 services, {what}, over its critical path"
        rows.append(
            Row(case="up-seven", what=over, value=own / start_s, limit=1.20, detail=detail, samples=alone.starts)
        )
    return rows


def _down_rows(case: str, downs: dict[str, list[float]], alone: Alone) -> list[Row]:
    """Return `down` over its critical path, and over Compose's `down`.

    The path is what the engine itself takes for stop and removal of each container on the slowest chain, one at a time.
    The network that they share can only go after them; the ratio to both is told beside it.
    """
    needs = read_needs(STACKS / "seven.yml")
    chain_s, path = find_longest(needs, {name: middle(samples) for name, samples in alone.ends.items()})
    path_s = chain_s + middle(alone.network)
    links = f"{' > '.join(reversed(path))} {chain_s * 1000:.0f} ms, network {show_ms(alone.network)} ms"
    rows: list[Row] = []
    for name, what in (("devenv", "zero configuration"), ("devenv+probes", "own probes")):
        own = downs[name]
        detail = f"{name} {show_ms(own)} ms, {links}"
        for over, seconds, limit in (("critical path", chain_s, 1.10), ("same and the network", path_s, None)):
            text = f"down, 7 services, {what}, over the {over}"
            value = middle(own) / seconds
            rows.append(Row(case=case, what=text, value=value, limit=limit, detail=detail, samples=alone.ends))
        peer = ("compose down", downs["compose"])
        rows.append(compare(case, f"down, 7 services, {what}, over compose", (name, own), peer, 1.0))
    return rows


def images_missing(lab: Lab) -> list[str]:
    """Return the fixture images that are not here."""
    wanted = ("fixture/busybox:latest", "fixture/pyweb:latest", "fixture/postgres:15", "fixture/redis:7")
    there = lab.run(["docker", "images", "--format", "{{json .}}"], lab.folder)
    have = {f"{row['Repository']}:{row['Tag']}" for line in there.splitlines() if (row := json.loads(line))}
    return [name for name in wanted if name not in have]
