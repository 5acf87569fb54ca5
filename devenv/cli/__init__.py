"""Thin commands, views, prompts and the one error boundary."""
