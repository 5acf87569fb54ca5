"""The stack's background process: main, spawn, wiring."""
