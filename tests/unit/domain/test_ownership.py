"""Whose a holder is: what may be stopped, and above all what never comes out as stoppable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.domain.holders import ContainerFacts, Holder, ProcessFacts, ProcessId
from devenv.domain.ownership import STOPPABLE, KnownStack, Ownership, Self, judge

ROOT = "/home/ada/src/shop"
ME = Self(
    uid=1000,
    pid=500,
    ancestors=frozenset({1, 40, 41}),
    stack_key="shop-1a2b",
    project_root=ROOT,
    home="/home/ada",
    compose_project="shop",
    own_processes=frozenset({ProcessId(pid=600, started=1)}),
    own_containers=frozenset({"c0ffee"}),
    stacks={"other-9f": KnownStack(name="other", root="/home/ada/src/other")},
)
SERVER = ProcessFacts(
    id=ProcessId(pid=4242, started=77), command="python -m http.server 8000", working_dir="/tmp", uid=1000
)


def held_by(process: ProcessFacts | None, *, uid: int = 1000) -> Holder:
    """Return the holder of port 8000."""
    return Holder(port=8000, address="127.0.0.1", process=process, uid=uid)


def judge_process(context: Self = ME, **facts: object) -> Ownership:
    """Judge a plain server that `facts` make special."""
    return judge(held_by(replace(SERVER, **facts)), context=context)  # type: ignore[arg-type]


def test_judge_says_ours_when_the_run_record_has_pid_and_start() -> None:
    """The record names it, even where the server dropped to another user."""
    assert judge_process(id=ProcessId(pid=600, started=1)) is Ownership.OURS
    assert judge_process(id=ProcessId(pid=600, started=1), uid=70) is Ownership.OURS


def test_judge_says_stranger_when_only_the_pid_is_in_the_record() -> None:
    """A recycled pid proves nothing."""
    assert judge_process(id=ProcessId(pid=600, started=2)) is Ownership.STRANGER


def test_judge_says_ours_when_the_parent_is_in_the_record_or_the_marker_is_ours() -> None:
    """Workers are ours through their master, and strays through their environment."""
    assert judge_process(parent=ProcessId(pid=600, started=1)) is Ownership.OURS
    assert judge_process(marker_stack="shop-1a2b", marker_service="api") is Ownership.OURS


def test_judge_says_ours_when_the_container_is_of_our_project() -> None:
    """By id or Compose project; any other one is a container."""
    ours = Holder(port=1, address="", container=ContainerFacts(id="c0ffee", name="x"))
    project = Holder(port=1, address="", container=ContainerFacts(id="beef", name="x", project="shop"))
    other = Holder(port=1, address="", container=ContainerFacts(id="beef", name="x", project="old"))
    assert [judge(one, context=ME) for one in (ours, project, other)] == ["ours", "ours", "container"]


def test_judge_says_container_when_neither_side_has_a_project() -> None:
    """An empty project is not the same project."""
    holder = Holder(port=1, address="", container=ContainerFacts(id="beef", name="x"))
    assert judge(holder, context=replace(ME, compose_project="")) is Ownership.CONTAINER


@pytest.mark.parametrize("folder", [ROOT, f"{ROOT}/services/api"])
def test_judge_says_leftover_when_it_runs_inside_the_project(folder: str) -> None:
    """The root counts, and everything below."""
    assert judge_process(working_dir=folder) is Ownership.LEFTOVER


@pytest.mark.parametrize("folder", ["/home/ada/src", f"{ROOT}-old", "/", ""])
def test_judge_says_stranger_when_it_runs_elsewhere(folder: str) -> None:
    """Neither a parent folder nor one whose name begins alike is inside."""
    assert judge_process(working_dir=folder) is Ownership.STRANGER


@pytest.mark.parametrize("root", ["/", "/home", "/home/ada", ""])
def test_judge_says_stranger_when_the_project_is_the_whole_home(root: str) -> None:
    """Everything of the user would be inside."""
    assert judge_process(replace(ME, project_root=root), working_dir="/home/ada/x") is Ownership.STRANGER


def test_judge_says_stranger_when_it_runs_in_a_stack_further_in() -> None:
    """A worktree inside the checkout has leftovers of its own."""
    inner = replace(ME, stacks={"w": KnownStack(name="w", root=f"{ROOT}/worktrees/w")})
    assert judge_process(inner, working_dir=f"{ROOT}/worktrees/w/api") is Ownership.STRANGER
    assert judge_process(inner, working_dir=f"{ROOT}/api") is Ownership.LEFTOVER


@pytest.mark.parametrize(
    "command",
    [
        "bash", "-zsh", "/bin/sh -c 'x'", "tmux new -s dev", "nvim .", "/usr/share/code/code --no-sandbox", "claude",
        "node /usr/lib/node_modules/@anthropic-ai/claude-code/cli.js", "python3.11 /usr/bin/aider --model x",
        "/home/ada/.vscode-server/bin/x/node --type=extensionHost", "ssh -N -L 8000:db:5432 bastion", "ipython",
        "/Applications/Zed.app/Contents/MacOS/zed", "python /home/ada/.local/bin/jupyter-lab --no-browser",
        "kubectl port-forward svc/api 8000",
    ],
)  # fmt: skip
def test_judge_says_stranger_when_a_person_works_in_it(command: str) -> None:
    """A shell, editor, agent or tunnel in the project is asked about, whatever its marker says."""
    assert judge_process(command=command, working_dir=ROOT) is Ownership.STRANGER
    assert judge_process(command=command, working_dir=ROOT, marker_stack="shop-1a2b") is Ownership.STRANGER


def test_judge_says_stranger_when_it_leads_a_terminal() -> None:
    """What leads a terminal's session was started by hand there."""
    assert judge_process(working_dir=ROOT, leads_terminal=True) is Ownership.STRANGER


@pytest.mark.parametrize(
    "command",
    [
        "python -m http.server", "node server.js", "uvicorn app.main:app", "/opt/Python.app/Contents/MacOS/Python x.py",
        "nodemon index.js", "nginx: master process nginx", "/home/ada/src/shop/.venv/bin/python -m app",
    ],
)  # fmt: skip
def test_judge_says_leftover_when_it_is_a_server(command: str) -> None:
    """The careful names do not catch what dev servers are called."""
    assert judge_process(command=command, working_dir=ROOT) is Ownership.LEFTOVER


def test_judge_says_stack_when_another_stack_marked_it() -> None:
    """Even inside this project: two stacks may share a folder."""
    assert judge_process(marker_stack="other-9f", working_dir=ROOT) is Ownership.STACK


@pytest.mark.parametrize(
    "command",
    [
        "sshd: ada [priv]", "/usr/sbin/sshd -D", "/lib/systemd/systemd --user", "systemd-resolved", "dockerd",
        "/usr/bin/docker-proxy -proto tcp", "containerd-shim-runc-v2 -id x", "com.docker.backend", "vpnkit-bridge",
        "ssh: /Users/ada/.colima/_lima/colima/ssh.sock [mux]", "limactl hostagent",
    ],
)  # fmt: skip
def test_judge_says_protected_when_the_machine_needs_it(command: str) -> None:
    """Logins, the init system and the engine are never stopped, even for the same user inside the project."""
    assert judge_process(command=command, working_dir=ROOT) is Ownership.PROTECTED


def test_judge_says_protected_when_the_engine_started_it() -> None:
    """A container on the host's network is no stray process."""
    assert judge_process(parent_command="containerd-shim-runc-v2 -id x") is Ownership.PROTECTED


def test_judge_says_unknown_when_the_owner_cannot_be_seen() -> None:
    """Without facts nothing is stopped; another user's socket is that user's."""
    assert judge(held_by(None, uid=-1), context=ME) is Ownership.UNKNOWN
    assert judge(held_by(None, uid=1000), context=ME) is Ownership.UNKNOWN
    assert judge(held_by(None, uid=0), context=ME) is Ownership.PROTECTED


texts = st.sampled_from(["", "python app.py", "bash", "node x.js", "sshd", "dockerd"]) | st.text(max_size=20)
processes = st.builds(
    ProcessFacts,
    id=st.builds(ProcessId, pid=st.sampled_from([0, 1, 40, 41, 500, 600, 4242]), started=st.sampled_from([1.0, 2.0])),
    command=texts,
    working_dir=st.sampled_from(["", "/", ROOT, f"{ROOT}/api", "/home/ada", "/tmp"]),
    uid=st.sampled_from([-1, 0, 33, 1000]),
    parent=st.none() | st.builds(ProcessId, pid=st.sampled_from([1, 600]), started=st.sampled_from([1.0, 2.0])),
    parent_command=texts,
    marker_stack=st.sampled_from(["", "shop-1a2b", "other-9f"]),
    leads_terminal=st.booleans(),
)
contexts = st.builds(
    replace,
    st.just(ME),
    project_root=st.sampled_from(["", "/", ROOT, "/home/ada"]),
    own_processes=st.sampled_from([frozenset(), ME.own_processes, frozenset({ProcessId(pid=1, started=1)})]),
    stack_key=st.sampled_from(["", "shop-1a2b"]),
)


@given(process=processes, context=contexts)
def test_judge_never_says_stoppable_when_it_is_init_us_or_above_us(process: ProcessFacts, context: Self) -> None:
    """Pid 1, this program and its ancestors are protected whatever else is true, even where a record names them."""
    verdict = judge(held_by(process), context=context)
    if process.id.pid in {0, 1, context.pid, *context.ancestors}:
        assert verdict is Ownership.PROTECTED


@given(process=processes, context=contexts)
def test_judge_never_says_stoppable_when_it_is_another_users(process: ProcessFacts, context: Self) -> None:
    """Another user's process is only ever ours by record or marker, else protected."""
    verdict = judge(held_by(process), context=context)
    if process.uid != context.uid:
        assert verdict in {Ownership.OURS, Ownership.PROTECTED}
        recorded = {process.id, process.parent} & context.own_processes
        marked = context.stack_key and process.marker_stack == context.stack_key
        assert verdict is Ownership.PROTECTED or recorded or marked


@given(uid=st.integers(-1, 2000), context=contexts)
def test_judge_never_says_stoppable_when_the_owner_is_unseen(uid: int, context: Self) -> None:
    """What has no facts is never stopped."""
    assert judge(held_by(None, uid=uid), context=context) not in STOPPABLE
