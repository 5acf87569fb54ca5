"""Mirrors on disk: looking at both sides, the manifest, and the copying itself."""
