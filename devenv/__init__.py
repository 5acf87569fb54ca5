"""Brings up a development environment and proves that it is usable."""

__version__ = "0.1.0"
