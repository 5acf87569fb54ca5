"""A small shop, whose models the schema tests change."""
