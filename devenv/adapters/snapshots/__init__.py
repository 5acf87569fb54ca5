"""Dumps of a service's database: taken and put back with the database's own tools, kept as files of the stack."""
