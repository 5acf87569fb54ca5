"""git: the one place that runs it."""
