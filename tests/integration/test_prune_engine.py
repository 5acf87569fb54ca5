"""What a prune removes of a real engine, and whose it is: projects side by side, the whole engine on one of our own."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from devenv.adapters.engine.containers import DockerEngine
from devenv.adapters.engine.pruning import EnginePrune
from devenv.app.ports import PruneScope
from devenv.domain.cleaning import BuildCacheRules, PruneReport
from devenv.domain.model import ComposeProject
from tests.support.cuttable_socket import cuttable_socket
from tests.support.engine import PROJECT_LABEL, Engine
from tests.support.own_engine import OwnEngine, own_engine

pytestmark = pytest.mark.anyio

BUSYBOX = "fixture/busybox"


class Project:
    """A Compose project made by docker compose itself, and the adapter for it."""

    def __init__(self, engine: Engine, folder: Path, name: str, host: str = "") -> None:
        self.engine = engine
        self.name = name
        self.folder = folder
        self.file = folder / "compose.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        project = ComposeProject(name=name, files=(str(self.file),), directory=str(folder))
        environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
        self.adapter = DockerEngine(project, state_dir=folder / "state", environment=environment)

    def write(self, services: dict[str, Any], **top: Any) -> None:
        """Write the Compose file (JSON is YAML)."""
        self.file.write_text(json.dumps({"services": services, **top}))

    def compose(self, *words: str) -> str:
        """Run docker compose."""
        return self.engine.run_compose(self.name, self.file, *words)

    async def prune(self, **facts: Any) -> PruneReport:
        """Prune, and hold it to be whole."""
        report, failure = await self.adapter.prune(PruneScope(**facts))
        assert failure is None, failure
        return report

    def build(self, times: int, size: int = 1_000_000) -> None:
        """Build the image of a service `built` anew each time, so that the earlier ones lose their name."""
        text = f"FROM {BUSYBOX}\nCOPY change /change\nRUN head -c {size} /dev/urandom > /big\n"
        (self.folder / "Dockerfile").write_text(text)
        self.write({"built": {"build": {"context": str(self.folder), "network": "none"}, "command": "sleep 1000"}})
        for _ in range(times):
            (self.folder / "change").write_text(os.urandom(8).hex())
            self.compose("build", "-q")

    def images(self, *, dangling: bool) -> set[str]:
        """Return the ids of the project's images."""
        filters = {"label": f"{PROJECT_LABEL}={self.name}", "dangling": dangling}
        return {one["Id"] for one in self.engine.api.images(filters=filters)}

    def containers(self) -> set[str]:
        """Return the names of the project's containers."""
        filters = {"label": f"{PROJECT_LABEL}={self.name}"}
        return {one["Names"][0].lstrip("/") for one in self.engine.api.containers(all=True, filters=filters)}

    def networks(self) -> set[str]:
        """Return the names of the project's networks."""
        return {one["Name"] for one in self.engine.api.networks(filters={"label": f"{PROJECT_LABEL}={self.name}"})}

    def volumes(self) -> set[str]:
        """Return the names of the project's volumes."""
        found = self.engine.api.volumes(filters={"label": f"{PROJECT_LABEL}={self.name}"})["Volumes"]
        return {one["Name"] for one in found or []}

    def close(self) -> None:
        """Remove everything of the project, images too."""
        self.adapter.close()
        self.engine.remove(self.engine.list_resources(self.name))
        for dangling in (True, False):
            for image in self.images(dangling=dangling):
                self.engine.api.remove_image(image, force=True)


@pytest.fixture
def ours(engine: Engine, tmp_path: Path, unique_name: str, leak_check: None) -> Iterator[Project]:
    """Give a project on the shared engine."""
    del leak_check
    made = Project(engine, tmp_path / "ours", f"{unique_name}a")
    yield made
    made.close()


@pytest.fixture
def theirs(engine: Engine, tmp_path: Path, unique_name: str, leak_check: None) -> Iterator[Project]:
    """Give another project on the shared engine."""
    del leak_check
    made = Project(engine, tmp_path / "theirs", f"{unique_name}b")
    yield made
    made.close()


@pytest.fixture
def alone(engine: Engine) -> Iterator[OwnEngine]:
    """Give an engine that nobody else uses."""
    with own_engine(engine, BUSYBOX) as made:
        yield made


def row(report: PruneReport, kind: str) -> tuple[set[str], int]:
    """Return the names and bytes of a kind."""
    found = {one.kind: (set(one.names), one.bytes) for one in report.reclaimed}
    return found.get(kind, (set(), 0))


STOPPED = {"image": BUSYBOX, "command": ["sh", "-c", "head -c 2000000 /dev/zero > /written"]}
RUNNING = {"image": BUSYBOX, "command": "sleep 1000", "init": True, "stop_grace_period": "0s"}


def stand_up(project: Project) -> None:
    """Leave a stopped container, a running one, a volume, an unused network and two images without a name."""
    project.build(3, size=10_000)
    services = {
        "done": {**STOPPED, "volumes": ["data:/data"], "networks": ["used"]},
        "on": {**RUNNING, "networks": ["used"]},
    }
    project.write(services, volumes={"data": {}}, networks={"used": {}, "idle": {}})
    project.compose("up", "-d")
    project.engine.run_docker("wait", f"{project.name}-done-1")
    project.engine.run_docker("network", "create", "--label", f"{PROJECT_LABEL}={project.name}", f"{project.name}_left")


async def test_only_what_the_project_left_goes(ours: Project, theirs: Project) -> None:
    """Stopped containers, unused networks, images without a name; what runs, volumes and the neighbour's all stay."""
    for project in (ours, theirs):
        stand_up(project)
    before = {name: getattr(theirs, name)() for name in ("containers", "networks", "volumes")}
    nameless, named = ours.images(dangling=True), ours.images(dangling=False)
    ahead = await ours.prune(dry_run=True)
    assert ours.containers() == {f"{ours.name}-done-1", f"{ours.name}-on-1"}
    report = await ours.prune()
    assert row(report, "containers") == ({f"{ours.name}-done-1"}, 2_000_000)
    assert row(report, "networks")[0] == {f"{ours.name}_left"}
    assert row(report, "images")[0] == {f"{one.removeprefix('sha256:')[:12]} of built" for one in nameless}
    assert report.refused == ()
    assert [(one.kind, set(one.names)) for one in ahead.reclaimed] == [
        (one.kind, set(one.names)) for one in report.reclaimed
    ]
    assert ours.containers() == {f"{ours.name}-on-1"}
    assert ours.networks() == {f"{ours.name}_used"}
    assert ours.volumes() == {f"{ours.name}_data"}
    assert (ours.images(dangling=True), ours.images(dangling=False)) == (set(), named)
    assert {name: getattr(theirs, name)() for name in before} == before
    assert len(theirs.images(dangling=True)) == 2
    assert (await ours.prune()).reclaimed == ()


async def test_containers_that_the_stack_counts_on_stay_by_name(ours: Project) -> None:
    """A task that has completed is part of what runs."""
    stand_up(ours)
    (done,) = [one["Id"] for one in ours.engine.api.containers(all=True) if one["Names"] == [f"/{ours.name}-done-1"]]
    report = await ours.prune(keep=frozenset({done}))
    assert f"{ours.name}-done-1" in ours.containers()
    assert [(one.name, one.why) for one in report.refused] == [
        (f"{ours.name}-done-1", "the stack that runs counts on it")
    ]


async def test_a_network_that_a_stopped_container_still_has_stays(ours: Project) -> None:
    """Docker would remove it, and the container could not start any more."""
    stand_up(ours)
    (done,) = [one["Id"] for one in ours.engine.api.containers(all=True) if one["Names"] == [f"/{ours.name}-done-1"]]
    ours.compose("stop", "on")
    await ours.prune(keep=frozenset({done}))
    assert f"{ours.name}_used" in ours.networks()
    ours.engine.run_docker("start", f"{ours.name}-done-1")


async def test_what_docker_compose_run_left_goes_too(ours: Project) -> None:
    """One-off containers carry the project's label and nobody starts them again."""
    ours.write({"done": STOPPED})
    ours.compose("run", "done")
    assert len(ours.containers()) == 1
    assert len(row(await ours.prune(), "containers")[0]) == 1
    assert ours.containers() == set()


# the SDK drops a socket that is refused without closing it; it is collected here, not in another test: the thread that
# made the call forgets its error with the next one
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_engine_that_goes_away_keeps_what_went_in_the_report(
    ours: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The containers went, then the engine: both are told."""
    stand_up(ours)
    path = Path(tmp_path_factory.mktemp("e")) / "d.sock"
    with cuttable_socket(path) as way:
        real = EnginePrune._prune_networks

        async def cut_then_prune(self: EnginePrune) -> object:
            way.cut()
            return await real(self)

        monkeypatch.setattr(EnginePrune, "_prune_networks", cut_then_prune)
        names, told = await _prune_through(ours, f"unix://{path}")
        way.join()
    await anyio.to_thread.run_sync(gc.collect)
    gc.collect()
    assert told == "cannot reach the Docker engine"
    assert names == {f"{ours.name}-done-1"}


async def _prune_through(project: Project, host: str) -> tuple[set[str], str]:
    """Prune by another way to the engine; return the containers that went, and the failure."""
    mine = Project(project.engine, project.folder, project.name, host=host)
    report, failure = await mine.adapter.prune(PruneScope())
    mine.adapter.close()
    assert failure is not None
    return row(report, "containers")[0], failure.what


async def test_folders_that_containers_and_volumes_work_in_are_known(ours: Project) -> None:
    """Bind mounts of what runs, and a volume that is a folder in disguise; not those of what has ended."""
    for name in ("bound", "ended", "kept"):
        (ours.folder / name).mkdir()
    device = {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": str(ours.folder / "kept")}}
    ours.write(
        {
            "on": {**RUNNING, "volumes": [f"{ours.folder}/bound:/x"]},
            "done": {"image": BUSYBOX, "command": "true", "volumes": [f"{ours.folder}/ended:/x", "kept:/y"]},
        },
        volumes={"kept": device},
    )
    ours.compose("up", "-d")
    ours.engine.run_docker("wait", f"{ours.name}-done-1")
    found = {one.path: (one.who, one.is_ours) for one in await ours.adapter.mounts()}
    assert found[str(ours.folder / "bound")] == (f"container {ours.name}-on-1 has it mounted", True)
    assert found[str(ours.folder / "kept")] == (f"volume {ours.name}_kept keeps its data there", True)
    assert str(ours.folder / "ended") not in found


# The build cache, and the whole engine


def cache_of(engine: OwnEngine) -> list[dict[str, Any]]:
    """Return the build cache that no image shares."""
    return [one for one in engine.api.df()["BuildCache"] or [] if not one["Shared"]]


async def test_build_cache_stays_without_rules_and_goes_by_age_with_them(alone: OwnEngine, tmp_path: Path) -> None:
    """It has no project: only who wrote `build_cache` has it pruned, by what was not used for that long."""
    project = Project(alone, tmp_path, "shop", host=alone.url)
    project.build(3)
    await project.prune()
    held = sum(one["Size"] for one in cache_of(alone))
    assert held > 2_000_000
    young = await project.prune(build_cache=BuildCacheRules(older_than_s=3600))
    assert row(young, "build cache") == (set(), 0)
    await anyio.sleep(1.1)
    rules = BuildCacheRules(older_than_s=1)
    ahead = await project.prune(build_cache=rules, dry_run=True)
    report = await project.prune(build_cache=rules)
    assert row(ahead, "build cache") == row(report, "build cache")
    assert row(report, "build cache")[1] == held
    assert cache_of(alone) == []
    project.adapter.close()


async def test_build_cache_is_pruned_down_to_the_size_to_keep(alone: OwnEngine, tmp_path: Path) -> None:
    """The oldest goes until at most that much is left; the newest stays."""
    project = Project(alone, tmp_path, "shop", host=alone.url)
    project.build(5)
    await project.prune()
    held = sum(one["Size"] for one in cache_of(alone))
    rules = BuildCacheRules(keep_bytes=2_500_000)
    ahead = await project.prune(build_cache=rules, dry_run=True)
    report = await project.prune(build_cache=rules)
    left = sum(one["Size"] for one in cache_of(alone))
    assert left <= 2_500_000
    assert row(report, "build cache")[1] == held - left > 0
    assert 0 < row(ahead, "build cache")[1] <= row(report, "build cache")[1]
    project.adapter.close()


async def test_the_whole_engine_is_pruned_but_volumes_and_what_is_used(alone: OwnEngine, tmp_path: Path) -> None:
    """Other projects' stopped containers, networks and images go, and build cache; nothing that runs, no volume."""
    ours, theirs = (Project(alone, tmp_path / name, name, host=alone.url) for name in ("ours", "theirs"))
    for project in (ours, theirs):
        stand_up(project)
    alone.run_docker("run", "--name", "lonely", "-v", "loose:/data", BUSYBOX, "true")
    alone.run_docker("volume", "create", "empty")
    alone.run_docker("network", "create", "fresh")
    alone.run_docker("create", "--name", "about-to-start", BUSYBOX, "true")
    volumes = {one["Name"] for one in alone.api.volumes()["Volumes"]}
    ahead = await ours.prune(everything=True, dry_run=True)
    report = await ours.prune(everything=True)
    assert row(report, "containers")[0] == {"ours-done-1", "theirs-done-1", "lonely"}
    assert row(report, "containers") == row(ahead, "containers")
    assert {one.name for one in report.refused} >= {"about-to-start", "fresh"}
    assert theirs.containers() == {"theirs-on-1"}
    assert "theirs_used" in theirs.networks()
    assert row(report, "networks")[0] == {"ours_left"}
    left = {tag for one in alone.api.images() for tag in one["RepoTags"] or []}
    assert left == {f"{BUSYBOX}:latest"}
    assert row(report, "images")[0] == row(ahead, "images")[0]
    assert cache_of(alone) == []
    assert row(report, "build cache")[1] > 0
    assert {one["Name"] for one in alone.api.volumes()["Volumes"]} == volumes
    for project in (ours, theirs):
        project.adapter.close()


async def test_an_engine_wide_prune_measures_what_the_disk_gets_back(alone: OwnEngine, tmp_path: Path) -> None:
    """An image that no build cache shares gives back its layers, as the engine counts them."""
    project = Project(alone, tmp_path, "shop", host=alone.url)
    alone.run_docker("run", "--name", "made", BUSYBOX, "sh", "-c", "head -c 3000000 /dev/urandom > /big")
    alone.run_docker("commit", "made", "shop-made")
    alone.run_docker("rm", "made")
    before = alone.api.df()["LayersSize"]
    ahead = await project.prune(everything=True, dry_run=True)
    report = await project.prune(everything=True)
    after = alone.api.df()["LayersSize"]
    assert row(report, "images")[1] == before - (after or 0)
    assert 3_000_000 <= row(ahead, "images")[1] <= row(report, "images")[1]
    assert re.search("at most", ahead.reclaimed[0].note)
    project.adapter.close()
