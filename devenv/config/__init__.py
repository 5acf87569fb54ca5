"""Text to Stack, or every mistake with file, line and column."""
