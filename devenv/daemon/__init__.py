"""The stack's background process: main, spawn, wiring."""

READY, BUSY = b"ready\n", b"busy\n"
"""What a new daemon says to the command that started it: it listens, or another one has the lock."""

MARKERS = ("DEVENV_STACK", "DEVENV_SERVICE")
"""Marks of a stack that a command may itself run in: that stack's `down` must not find us by them."""
