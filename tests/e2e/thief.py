"""Takes a port for a process of its own that has nothing to do with the stack: `thief.py PORT PID_FILE`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_SERVE = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"


def main() -> None:
    """Start the holder outside of the stack (no marker, another folder), and end when it listens."""
    port, file = sys.argv[1:]
    unmarked = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
    holder = subprocess.Popen([sys.executable, "-S", "-c", _SERVE, port], env=unmarked, cwd="/", start_new_session=True)
    Path(file).write_text(str(holder.pid))
    listening = f":{int(port):04X} "
    while listening not in Path("/proc/net/tcp").read_text():
        time.sleep(0.01)


main()
