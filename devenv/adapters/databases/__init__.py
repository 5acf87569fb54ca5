"""Databases as the schema gate reads them, and their dumps."""
