"""What migration tools have written down in the database, against their files; one row a tool."""
