"""Tests, one folder a tier; a package so that `tests.support` is never somebody else's."""
