"""Compose files: the canonical model, and a reader of our own where Docker is absent."""
