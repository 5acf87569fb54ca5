"""Git at the end of a day: what to keep, commit, promote, push and mirror, decided here and done by `adapters.git`."""
