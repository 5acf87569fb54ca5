"""A dev server in all its moods, as a script: `servers.py PORT [--option ...]`; 0 is no port at all.

Standard library only, so that it is there in 20 ms.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Do as the options say, then serve."""
    asked = _parse()
    if asked.ignore_term:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
    if asked.slow_end:
        signal.signal(signal.SIGTERM, lambda *_: (time.sleep(asked.slow_end), os._exit(0)))
    if asked.pid_file:
        with Path(asked.pid_file).open("a") as file:
            file.write(f"{os.getpid()}\n")
    if asked.depth:
        _start_children(asked)
    if asked.fork_away:
        _fork_away()
    if asked.escape:
        _escape(asked)
    if asked.say:
        print(asked.say, flush=True)
    time.sleep(asked.delay)
    if asked.exit is not None:
        sys.exit(asked.exit)
    if asked.port == 0:
        while True:
            time.sleep(1000)
    serve(asked)


def serve(asked: argparse.Namespace) -> None:
    """Answer every request with the status and the body asked for, or never."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if asked.reuse_port:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        held.bind((asked.host, asked.port))
    except OSError as error:
        print(f"cannot bind: {error}", flush=True)
        if asked.stay:
            time.sleep(1000)
        raise
    held.listen(64)
    kept = []
    while True:
        connection, _ = held.accept()
        if asked.mute:
            kept.append(connection)
            continue
        with connection:
            try:
                connection.settimeout(5)
                connection.recv(65536)
                body = (asked.body or os.environ.get("BODY", "ok")).encode()
                head = f"HTTP/1.1 {asked.status} OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + body)
            except OSError:
                continue


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--body", default="")
    parser.add_argument("--say", default="", help="print this line first")
    parser.add_argument("--delay", type=float, default=0, help="seconds before it listens")
    parser.add_argument("--exit", type=int, help="end with this status in place of serving")
    parser.add_argument("--mute", action="store_true", help="accept, and never answer")
    parser.add_argument("--stay", action="store_true", help="go on without the port where it cannot be bound")
    parser.add_argument("--reuse-port", action="store_true")
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--slow-end", type=float, default=0, help="seconds that its end takes")
    parser.add_argument("--fork-away", action="store_true", help="also run a copy, forked twice, in its own session")
    parser.add_argument("--escape", choices=("to-log", "to-nowhere"), help="leave the port to a copy without any mark")
    parser.add_argument("--depth", type=int, default=0, help="start a chain of this many descendants")
    parser.add_argument("--pid-file", default="", help="append the pid of every process of the tree")
    return parser.parse_args()


def _start_children(asked: argparse.Namespace) -> None:
    words = [sys.executable, "-S", "-E", __file__, "0", "--depth", str(asked.depth - 1), "--pid-file", asked.pid_file]
    subprocess.Popen(words + (["--ignore-term"] if asked.ignore_term else []))


def _fork_away() -> None:
    """Leave a grandchild in a session of its own that has nothing to do with us but its environment."""
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    words = ["0", "--pid-file", os.environ.get("PID_FILE", "/dev/null")]
    os.execv(sys.executable, [sys.executable, "-S", "-E", __file__, *words])


def _escape(asked: argparse.Namespace) -> None:
    """Let a grandchild in a session of its own, with no environment, serve; it may keep the log as its output."""
    port, asked.port = asked.port, 0
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    if asked.escape == "to-nowhere":
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nowhere, fd)
    words = [str(port), "--pid-file", asked.pid_file]
    os.execve(sys.executable, [sys.executable, "-S", "-E", __file__, *words], {})


if __name__ == "__main__":
    main()
