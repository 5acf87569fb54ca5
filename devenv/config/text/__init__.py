"""Text to values with positions: YAML, variables, .env, and the list of what is wrong."""
