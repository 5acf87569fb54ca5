"""Whose is it? Judges the holder of a port by who it is, never by its port or name alone.

Must not know how holders are found or ended. Invariant: pid 1, this program and its ancestors are PROTECTED whatever
else is true of them; another user's process is never LEFTOVER, STACK, CONTAINER or STRANGER.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from devenv.domain.holders import Holder, ProcessFacts, ProcessId
from devenv.domain.model import Port


class Ownership(StrEnum):
    """Whose a holder is, and with it what may be done to it."""

    OURS = "ours"
    """This stack's, by run record, marker or Compose project: reused or replaced."""
    LEFTOVER = "leftover"
    """The user's own, running inside this project, started by nobody we know: stopped at once."""
    STACK = "stack"
    """Another devenv stack's."""
    CONTAINER = "container"
    STRANGER = "stranger"
    PROTECTED = "protected"
    """Never stopped: other users', pid 1, our ancestors, sshd, the engine, the init system."""
    UNKNOWN = "unknown"
    """Its owner may not be looked at; never stopped."""


STOPPABLE = frozenset({Ownership.LEFTOVER, Ownership.STACK, Ownership.CONTAINER, Ownership.STRANGER})


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownStack:
    """Another devenv stack of this user: its name, its folder, its first file."""

    name: str
    root: str
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """Who asks: this program and its stack. `project_root` and `home` are real paths, without symbolic links.

    `ancestors` are the pids above the command that the user typed (and above the daemon, where that asks). `stacks`
    are the other devenv stacks of this user, by the key that their processes carry as marker.
    """

    uid: int
    pid: int
    ancestors: frozenset[int] = frozenset()
    stack_key: str = ""
    project_root: str = ""
    home: str = ""
    compose_project: str = ""
    own_processes: frozenset[ProcessId] = frozenset()
    own_containers: frozenset[str] = frozenset()
    stacks: Mapping[str, KnownStack] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """`service` wants `port`, which `holder` has. `respawner` names who may start the holder again, else empty."""

    service: str
    port: Port
    holder: Holder
    ownership: Ownership
    respawner: str = ""


def judge(holder: Holder, *, context: Self) -> Ownership:
    """Tell whose `holder` is. What cannot be seen is never taken for something that may be stopped."""
    if holder.container is not None:
        ours = holder.container.id in context.own_containers or (
            context.compose_project != "" and holder.container.project == context.compose_project
        )
        return Ownership.OURS if ours else Ownership.CONTAINER
    if holder.process is None:
        another_user = holder.uid not in {-1, context.uid}
        return Ownership.PROTECTED if another_user else Ownership.UNKNOWN
    return _judge_process(holder.process, context)


def _judge_process(process: ProcessFacts, context: Self) -> Ownership:
    if process.id.pid in {0, 1, context.pid, *context.ancestors}:
        return Ownership.PROTECTED
    if {process.id, process.parent} & context.own_processes:
        # before the user: a server that root started may have dropped to another one
        return Ownership.OURS
    interactive = process.leads_terminal or is_interactive(process.command)
    if context.stack_key and process.marker_stack == context.stack_key and not interactive:
        return Ownership.OURS
    if process.uid != context.uid or is_system(process.command) or is_engine(process.parent_command):
        return Ownership.PROTECTED
    return _judge_users_own(process, context, interactive=interactive)


def _judge_users_own(process: ProcessFacts, context: Self, *, interactive: bool) -> Ownership:
    if process.marker_stack not in {"", context.stack_key}:
        return Ownership.STACK
    is_leftover = not interactive and _is_inside_project(process.working_dir, context)
    return Ownership.LEFTOVER if is_leftover else Ownership.STRANGER


def _is_inside_project(folder: str, context: Self) -> bool:
    """Tell whether `folder` belongs to this project alone: not to the whole home, nor to a stack further in."""
    root = context.project_root
    if not folder or not root or _is_within(context.home or "/", root) or root == "/":
        return False
    inner = (stack.root for stack in context.stacks.values() if stack.root != root and _is_within(stack.root, root))
    return _is_within(folder, root) and not any(_is_within(folder, other) for other in inner)


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


# --- by name: only ever used to be more careful -----------------------------------------------------------------------

_ENGINE = frozenset({
    "dockerd", "containerd", "docker-proxy", "rootlesskit", "rootlessport", "slirp4netns", "pasta",
    "podman", "conmon", "colima", "limactl", "lima", "wslrelay", "wslrelay.exe",
})  # fmt: skip
_ENGINE_STARTS = ("containerd-shim", "com.docker", "vpnkit", "orbstack", "rancher-desktop")
_ENGINE_PARTS = ("/.lima/", "/.colima/", "/docker.app/", "/orbstack.app/", "/rancher desktop.app/")
_SYSTEM = frozenset({"sshd", "sshd-session", "init", "launchd", "supervise-daemon"})
_INTERACTIVE = frozenset({
    # shells
    "sh", "bash", "zsh", "fish", "dash", "ash", "ksh", "mksh", "tcsh", "csh", "nu", "pwsh", "xonsh", "elvish",
    # multiplexers, terminals and tunnels
    "tmux", "screen", "zellij", "dtach", "abduco", "byobu", "mosh-server", "mosh-client", "ssh", "autossh", "kubectl",
    "wezterm", "wezterm-gui", "kitty", "alacritty", "gnome-terminal-server", "konsole", "ttyd",
    # editors and IDEs
    "vi", "vim", "nvim", "gvim", "emacs", "nano", "hx", "helix", "kak", "micro", "subl", "sublime_text", "zed", "code",
    "code-insiders", "code-server", "code-tunnel", "codium", "vscodium", "openvscode-server", "cursor", "windsurf",
    "idea", "pycharm", "webstorm", "phpstorm", "rubymine", "goland", "clion", "rider", "rustrover", "fleet", "studio",
    "eclipse", "gdb", "lldb", "ipython", "jupyter", "jupyter-lab", "jupyter-notebook", "jupyterhub",
    # coding agents
    "claude", "codex", "gemini", "aider", "opencode", "goose", "copilot", "cursor-agent", "amp", "crush", "qwen",
})  # fmt: skip
_INTERACTIVE_PARTS = (
    "/.vscode-server/", "/.cursor-server/", "/.windsurf-server/", "vscode", "claude-code", "/@openai/codex",
    "gemini-cli", "com.intellij", "com.jetbrains", "jetbrains", ".app/contents/", "extensionhost", "jupyter",
)  # fmt: skip
_INTERPRETERS = ("python", "node", "ruby", "perl", "java", "deno", "bun", "uv", "uvx", "npx")


def program_names(command: str) -> tuple[str, ...]:
    """Return what `command` runs, lower-cased: its program, and the script or module where that is an interpreter."""
    words = command.split()
    if not words:
        return ()
    first = _last_part(words[0]).lstrip("-").rstrip(":")
    if not first.startswith(_INTERPRETERS):
        return (first,)
    return first, *(_last_part(word) for word in words[1:4] if not word.startswith("-"))


def is_interactive(command: str) -> bool:
    """Tell whether `command` is something a person works in: a shell, an editor, a coding agent, a terminal."""
    # the Python of macOS is an app bundle too, and nobody's window
    path = command.split(" -", 1)[0].lower().replace("python.app/contents/", "")
    return not _INTERACTIVE.isdisjoint(program_names(command)) or any(part in path for part in _INTERACTIVE_PARTS)


def is_engine(command: str) -> bool:
    """Tell whether `command` is part of a container engine or of the machine that it runs in."""
    names, path = program_names(command)[:1], command.lower()
    by_name = any(name in _ENGINE or name.startswith(_ENGINE_STARTS) for name in names)
    return by_name or any(part in path.split(" -", 1)[0] for part in _ENGINE_PARTS)


def is_system(command: str) -> bool:
    """Tell whether `command` keeps the machine itself, its logins or its engine running."""
    names = program_names(command)[:1]
    return is_engine(command) or any(name in _SYSTEM or name.startswith("systemd") for name in names)


def _last_part(word: str) -> str:
    name = word.rsplit("/", 1)[-1].lower()
    return name.removesuffix(".py").removesuffix(".js").removesuffix(".mjs").removesuffix(".cjs")
