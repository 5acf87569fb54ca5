"""Lock files of Node's package managers against node_modules as they leave it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.domain.findings import Finding, Severity, Topic
from devenv.lockfiles.check import check_locks, looks_locked


def check(folder: Path, *, stop_at: Path | None = None, argv: str = "npm run dev", **environment: str) -> list[Finding]:
    """Return what is found for a service in `folder`."""
    return list(check_locks(folder, environment=environment, argv=tuple(argv.split()), stop_at=stop_at or folder))


def write(path: Path, content: object) -> None:
    """Write a text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))


def install(folder: Path, place: str, version: str) -> None:
    """Make the folder of a package."""
    write(folder / place / "package.json", {"name": place.rpartition("node_modules/")[2], "version": version})


NPM: Mapping[str, Mapping[str, object]] = {
    "": {"name": "web"},
    "node_modules/next": {"version": "14.2.3"},
    "node_modules/@swc/core": {"version": "1.5.0"},
    "node_modules/next/node_modules/react": {"version": "18.2.0"},
    "node_modules/fsevents": {"version": "2.3.3", "optional": True, "os": ["darwin"]},
    "node_modules/vitest": {"version": "1.6.0", "dev": True},
    "node_modules/jsdom": {"version": "24.0.0", "dev": True},
    "node_modules/peer": {"version": "1.0.0", "peer": True},
}
INSTALLED = [place for place in NPM if place and not {"optional", "peer"} & NPM[place].keys()]


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """Return a project as `npm ci` leaves it on Linux."""
    write(tmp_path / "package.json", {"dependencies": {"next": "14.2.3"}})
    write(tmp_path / "package-lock.json", {"lockfileVersion": 3, "packages": NPM})
    write(tmp_path / "node_modules/.package-lock.json", {"packages": {place: NPM[place] for place in INSTALLED}})
    for place in INSTALLED:
        install(tmp_path, place, str(NPM[place]["version"]))
    return tmp_path


def record(folder: Path, place: str, **entry: object) -> None:
    """Change what npm wrote down of a package."""
    path = folder / "node_modules/.package-lock.json"
    data = json.loads(path.read_text())
    data["packages"][place] = entry
    write(path, data)


def test_nothing_is_found_when_npm_installed_what_is_locked(web: Path) -> None:
    """Optional packages of other platforms and peers may be left out."""
    assert check(web) == []


def test_packages_are_missing_when_their_folders_are_gone(web: Path) -> None:
    """One finding with the list, whatever npm wrote down."""
    shutil.rmtree(web / "node_modules/next")
    shutil.rmtree(web / "node_modules/jsdom")

    (finding,) = check(web)

    assert (finding.id, finding.severity) == ("packages-missing:package-lock.json", Severity.ERROR)
    assert finding.topic is Topic.DEPENDENCIES
    assert finding.text == (
        "node_modules lacks 3 packages of package-lock.json: next 14.2.3, react 18.2.0, jsdom 24.0.0"
    )
    assert finding.details == ("next 14.2.3", "react 18.2.0", "jsdom 24.0.0")
    assert finding.fix == "npm ci"


@pytest.mark.parametrize("has_record", [True, False])
def test_node_modules_is_older_when_a_version_differs(web: Path, has_record: bool) -> None:
    """By what npm wrote down, or by the packages themselves."""
    install(web, "node_modules/next", "14.1.0")
    record(web, "node_modules/next", version="14.1.0")
    if not has_record:
        (web / "node_modules/.package-lock.json").unlink()

    (finding,) = check(web)

    assert (finding.id, finding.severity) == ("packages-differ:package-lock.json", Severity.WARNING)
    assert finding.text == "node_modules is older than package-lock.json: next 14.1.0 installed, 14.2.3 locked"


def test_node_modules_differs_when_a_version_is_newer(web: Path) -> None:
    """The lock file may be the old one, after a checkout."""
    record(web, "node_modules/next", version="15.0.0")

    assert "node_modules differs from package-lock.json" in check(web)[0].text


def test_packages_are_broken_when_they_are_there_in_part(web: Path) -> None:
    """A folder without its manifest, a link to nowhere."""
    (web / "node_modules/next/package.json").unlink()
    shutil.rmtree(web / "node_modules/@swc/core")
    (web / "node_modules/@swc/core").symlink_to("../../../gone")

    (finding,) = check(web)

    assert (finding.id, finding.severity) == ("packages-broken:package-lock.json", Severity.ERROR)
    assert finding.details == (
        "next (no package.json)",
        "@swc/core (its link leads to ../../../gone, which is not there)",
    )


def test_node_modules_is_not_there_when_nothing_was_installed(web: Path) -> None:
    """The first hour: one sentence, not a package each."""
    shutil.rmtree(web / "node_modules")

    (finding,) = check(web)

    assert (finding.id, finding.severity) == ("not-installed:package-lock.json", Severity.ERROR)
    assert finding.text == "node_modules is not there, and package-lock.json locks 5 packages"


def test_development_packages_may_miss_when_all_of_them_do(web: Path) -> None:
    """`npm ci --omit=dev` was meant so."""
    shutil.rmtree(web / "node_modules/vitest")
    shutil.rmtree(web / "node_modules/jsdom")

    assert check(web) == []


def test_development_packages_may_miss_when_the_environment_is_production(web: Path) -> None:
    """Then some may be left over."""
    shutil.rmtree(web / "node_modules/vitest")

    assert check(web, NODE_ENV="production") == []
    assert check(web) != []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"packages": {"node_modules/x": 1}}', "<<<<<<< HEAD\n{}", "\0\xff"])
def test_lock_file_is_unknown_when_it_cannot_be_read(web: Path, text: str) -> None:
    """What could not be checked is not well."""
    (web / "package-lock.json").write_text(text, "latin-1")

    (finding,) = check(web)

    assert (finding.id, finding.severity) == ("lock-unreadable:package-lock.json", Severity.UNKNOWN)


def test_nothing_is_found_when_another_tool_made_node_modules(web: Path) -> None:
    """Its layout says nothing about npm's lock file."""
    (web / "node_modules/.package-lock.json").unlink()
    write(web / "node_modules/.modules.yaml", "layoutVersion: 5\n")
    shutil.rmtree(web / "node_modules/next")

    assert check(web) == []


def test_nothing_is_found_when_the_program_is_python(web: Path) -> None:
    """Its packages are not in node_modules."""
    shutil.rmtree(web / "node_modules")

    assert check(web, argv="python app.py") == []
    assert check(web, argv="make dev") != []


def test_lock_of_the_workspace_counts_when_the_package_is_a_member(web: Path) -> None:
    """The fix says where it is typed."""
    write(web / "package.json", {"workspaces": ["apps/*"]})
    write(web / "apps/site/package.json", {"dependencies": {"next": "*"}})
    write(web / "tools/package.json", {})
    shutil.rmtree(web / "node_modules/next")

    (finding,) = check(web / "apps/site", stop_at=web.parent)

    assert finding.fix == f"cd {web.name} && npm ci"
    assert finding.text.startswith(f"{web.name}/node_modules lacks 2 packages of package-lock.json")
    assert check(web / "tools", stop_at=web.parent) == []


def test_lock_file_is_not_seen_when_it_lies_above_the_root(web: Path) -> None:
    """Other people's folders are none of the stack's business."""
    (web / "apps").mkdir()

    assert looks_locked(web / "apps", web)
    assert not looks_locked(web / "apps", web / "apps")
    assert check(web / "apps", stop_at=web / "apps") == []


PNPM = """lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      next:
        specifier: ^14
        version: 14.2.3(react@18.2.0)

  apps/site: {}

packages:

  '@swc/core@1.5.0':
    resolution: {integrity: sha512-a}

  fsevents@2.3.3:
    resolution: {integrity: sha512-b}
    os: [darwin]

  gyp@1.0.0:
    resolution: {integrity: sha512-c}

  next@14.2.3:
    resolution: {integrity: sha512-d}

snapshots:

  '@swc/core@1.5.0': {}

  fsevents@2.3.3:
    optional: true

  gyp@1.0.0:
    optional: true

  next@14.2.3(react@18.2.0):
    dependencies:
      '@swc/core': 1.5.0
"""


@pytest.fixture
def pnpm(tmp_path: Path) -> Path:
    """Return a project as pnpm leaves it."""
    write(tmp_path / "package.json", {"dependencies": {"next": "^14"}})
    write(tmp_path / "pnpm-lock.yaml", PNPM)
    write(tmp_path / "node_modules/.pnpm/lock.yaml", PNPM)
    write(tmp_path / "node_modules/.modules.yaml", "included:\n  devDependencies: true\n")
    install(tmp_path, "node_modules/.pnpm/next@14.2.3/node_modules/next", "14.2.3")
    (tmp_path / "node_modules/next").symlink_to(".pnpm/next@14.2.3/node_modules/next")
    return tmp_path


def test_pnpm_is_well_when_its_copy_of_the_lock_file_is_the_same(pnpm: Path) -> None:
    """Or lacks only what may be left out."""
    assert check(pnpm) == []

    write(pnpm / "node_modules/.pnpm/lock.yaml", PNPM.replace("  gyp@1.0.0:", "  other@9.0.0:"))
    assert check(pnpm) == []


@pytest.mark.parametrize(
    ("key", "line"),
    [("next@14.2.3:", "  next@14.1.0:"), ("  /next@14.2.3(react@18.2.0):", "  /next@14.1.0(react@18.2.0):"),
     ("  /next/14.2.3_react@18.2.0:", "  /next/14.1.0_react@18.2.0:")],
)  # fmt: skip
def test_pnpm_is_older_when_its_copy_has_other_versions(pnpm: Path, key: str, line: str) -> None:
    """As the versions 9, 6 and 5 of the file write a package."""
    text = PNPM if key.startswith("next") else PNPM.replace("  next@14.2.3:", key, 1)
    write(pnpm / "pnpm-lock.yaml", text)
    write(pnpm / "node_modules/.pnpm/lock.yaml", text.replace(key if key[0] == " " else f"  {key}", line, 1))

    (finding,) = check(pnpm)

    assert finding.text == "node_modules is older than pnpm-lock.yaml: next 14.1.0 installed, 14.2.3 locked"
    assert finding.fix == "pnpm install --frozen-lockfile"


def test_pnpm_lacks_a_package_when_its_copy_does(pnpm: Path) -> None:
    """A package was added since."""
    write(
        pnpm / "node_modules/.pnpm/lock.yaml",
        PNPM.replace("  '@swc/core@1.5.0':\n    resolution", "  old@1.0.0:\n    r"),
    )

    assert [finding.details for finding in check(pnpm)] == [("@swc/core 1.5.0",)]


def test_pnpm_is_broken_when_a_link_leads_nowhere(pnpm: Path) -> None:
    """The store folder was deleted."""
    shutil.rmtree(pnpm / "node_modules/.pnpm/next@14.2.3")

    (finding,) = check(pnpm)

    assert finding.id == "packages-broken:pnpm-lock.yaml"
    assert "next (its link leads to" in finding.text


YARN_1 = """# yarn lockfile v1


"@swc/core@^1.0.0", "@swc/core@^1.5.0":
  version "1.5.0"
  resolved "https://registry.example/@swc/core/-/core-1.5.0.tgz#aa"

next-2@^14:
  version "14.2.3"
  resolved "https://registry.example/next-2/-/next-2-14.2.3.tgz#bb"
  dependencies:
    "@swc/core" "^1.0.0"

ours@git+https://git.example/ours:
  version "1.0.0"
  resolved "git+https://git.example/ours#cc"
"""


@pytest.fixture
def yarn(tmp_path: Path) -> Path:
    """Return a project as Yarn Classic leaves it."""
    write(tmp_path / "package.json", {"dependencies": {"next-2": "^14"}})
    write(tmp_path / "yarn.lock", YARN_1)
    integrate(tmp_path, "14.2.3")
    install(tmp_path, "node_modules/next-2", "14.2.3")
    return tmp_path


def integrate(folder: Path, version: str, **more: str) -> None:
    """Write down an installation as Yarn does."""
    site = "https://registry.example"
    entries = {
        "@swc/core@^1.0.0": f"{site}/@swc/core/-/core-1.5.0.tgz#aa",
        "next-2@^14": f"{site}/next-2/-/next-2-{version}.tgz#bb",
        "ours@git+https://git.example/ours": "git+https://git.example/ours#cc",
        **more,
    }
    write(folder / "node_modules/.yarn-integrity", {"lockfileEntries": entries})


def test_yarn_classic_is_well_when_the_same_versions_are_installed(yarn: Path) -> None:
    """Another range for the same version is no difference."""
    assert check(yarn) == []


def test_yarn_classic_is_older_when_an_address_has_another_version(yarn: Path) -> None:
    """A digit in a package's name is no version."""
    integrate(yarn, "14.1.0")

    (finding,) = check(yarn)

    assert finding.text == "node_modules is older than yarn.lock: next-2 14.1.0 installed, 14.2.3 locked"
    assert finding.fix == "yarn install --frozen-lockfile"


def test_yarn_classic_lacks_a_package_when_its_folder_is_gone(yarn: Path) -> None:
    """What the package itself names is looked for."""
    shutil.rmtree(yarn / "node_modules/next-2")

    assert [finding.text for finding in check(yarn)] == ["node_modules lacks 1 package of yarn.lock: next-2"]


YARN_4 = """__metadata:
  version: 8

"@swc/core@npm:^1.0.0":
  version: 1.5.0
  resolution: "@swc/core@npm:1.5.0"
  linkType: hard

"fsevents@npm:2.3.3":
  version: 2.3.3
  resolution: "fsevents@npm:2.3.3"
  dependencies:
    node-gyp: "npm:latest"
  conditions: os=darwin
  linkType: hard

"next@npm:^14":
  version: 14.2.3
  resolution: "next@npm:14.2.3"
  dependencies:
    "@swc/core": "npm:^1.0.0"
    sharp: "npm:^1"
  dependenciesMeta:
    sharp:
      optional: true
  linkType: hard

"node-gyp@npm:latest":
  version: 13.1.0
  resolution: "node-gyp@npm:13.1.0"
  linkType: hard

"sharp@npm:^1":
  version: 1.0.0
  resolution: "sharp@npm:1.0.0"
  linkType: hard

"web@workspace:.":
  version: 0.0.0-use.local
  resolution: "web@workspace:."
  dependencies:
    fsevents: "npm:2.3.3"
    next: "npm:^14"
  languageName: unknown
  linkType: soft
"""
YARN_4_STATE = """__metadata:
  version: 1

"@swc/core@npm:1.5.0":
  locations:
    - "node_modules/@swc/core"

"next@virtual:0a1b#npm:14.2.3":
  locations:
    - "node_modules/next"
"""


@pytest.fixture
def berry(tmp_path: Path) -> Path:
    """Return a project as Yarn 4 leaves it with `nodeLinker: node-modules`."""
    write(tmp_path / "package.json", {"dependencies": {"next": "^14", "fsevents": "2.3.3"}})
    write(tmp_path / "yarn.lock", YARN_4)
    write(tmp_path / "node_modules/.yarn-state.yml", YARN_4_STATE)
    install(tmp_path, "node_modules/next", "14.2.3")
    return tmp_path


def test_yarn_berry_is_well_when_only_what_may_miss_does(berry: Path) -> None:
    """Nor is that missing which only an optional package needs."""
    assert check(berry) == []


def test_yarn_berry_is_older_when_its_state_has_another_version(berry: Path) -> None:
    """Packages with peers are virtual there."""
    write(berry / "node_modules/.yarn-state.yml", YARN_4_STATE.replace("14.2.3", "14.1.0"))

    (finding,) = check(berry)

    assert finding.text == "node_modules is older than yarn.lock: next 14.1.0 installed, 14.2.3 locked"
    assert finding.fix == "yarn install --immutable"


def test_yarn_berry_needs_no_node_modules_when_it_plugs_and_plays(berry: Path) -> None:
    """`.pnp.cjs` stands for it; with neither, nothing is installed."""
    shutil.rmtree(berry / "node_modules")
    assert [finding.id for finding in check(berry)] == ["not-installed:yarn.lock"]

    write(berry / ".pnp.cjs", "")
    assert check(berry) == []


BUN = """{
  "lockfileVersion": 1,
  "workspaces": {"": {"dependencies": {"next": "^14", "fsevents": "2.3.3",}, "optionalDependencies": {"sharp": "1"},},},
  "packages": {
    "@swc/core": ["@swc/core@1.5.0", "", {}, "sha512-a"],
    "fsevents": ["fsevents@2.3.3", "", { "os": "darwin" }, "sha512-b"],
    "next": ["next@14.2.3", "", { "dependencies": { "@swc/core": "^1", }, }, "sha512-c"],
    "sharp": ["sharp@1.0.0", "", {}, "sha512-d"],
    "site": ["site@workspace:apps/site"],
    "next/@swc/core": ["@swc/core@1.4.0", "", {}, "sha512-e"],
  }
}
"""


@pytest.fixture
def bun(tmp_path: Path) -> Path:
    """Return a project with bun.lock."""
    write(tmp_path / "package.json", {"dependencies": {"next": "^14"}})
    write(tmp_path / "bun.lock", BUN)
    return tmp_path


def test_bun_is_held_against_the_folders_when_they_are_flat(bun: Path) -> None:
    """A nested package lies below the one that needs it."""
    install(bun, "node_modules/@swc/core", "1.5.0")
    install(bun, "node_modules/next", "14.1.0")

    assert [finding.text for finding in check(bun)] == [
        "node_modules lacks 1 package of bun.lock: @swc/core 1.4.0",
        "node_modules is older than bun.lock: next 14.1.0 installed, 14.2.3 locked",
    ]
    install(bun, "node_modules/next", "14.2.3")
    install(bun, "node_modules/next/node_modules/@swc/core", "1.4.0")
    assert check(bun) == []


def test_bun_is_held_against_its_store_when_packages_are_isolated(bun: Path) -> None:
    """The store's folders carry name, version and a hash of peers."""
    for name in ("@swc+core@1.5.0", "@swc+core@1.4.0", "next@14.1.0+0a1b"):
        (bun / "node_modules/.bun" / name).mkdir(parents=True)
    install(bun, "node_modules/next", "14.1.0")

    (finding,) = check(bun)

    assert finding.text == "node_modules is older than bun.lock: next 14.1.0 installed, 14.2.3 locked"
    assert finding.fix == "bun install --frozen-lockfile"


def test_lock_file_of_the_named_tool_counts_when_there_are_two(web: Path) -> None:
    """`packageManager` settles it before anything is installed."""
    shutil.rmtree(web / "node_modules")
    write(web / "yarn.lock", YARN_1)
    write(web / "package.json", {"packageManager": "yarn@1.22.0"})

    assert [finding.id for finding in check(web, argv="make")] == ["not-installed:yarn.lock"]


def test_nothing_is_found_when_there_is_no_lock_file(tmp_path: Path) -> None:
    """Then nobody knows what ought to be installed."""
    write(tmp_path / "package.json", {"dependencies": {"next": "*"}})

    assert check(tmp_path) == []
