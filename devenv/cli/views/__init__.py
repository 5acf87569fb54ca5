"""Ways to show an operation: plain lines, JSON lines, a live table, or nothing."""
