"""Pure decisions and values: no I/O, no clock, nothing async runs here."""
