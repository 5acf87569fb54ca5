"""The schema gate: does the database have what the code expects, and what mends it where it has not."""
