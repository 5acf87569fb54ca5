"""The stack's background process: main, spawn, wiring."""

MARKERS = ("DEVENV_STACK", "DEVENV_SERVICE")
"""Marks of a stack that a command may itself run in: that stack's `down` must not find us by them."""
