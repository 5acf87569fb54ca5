"""Reads the configuration inside the command itself, for the commands that need no daemon.

Must not be imported by commands that only ask the daemon: it loads YAML and pydantic. Invariant: what is read is what
the daemon would read.
"""

from devenv.app.requests import Reading
from devenv.cli.session import Session
from devenv.daemon.wiring import load_stack
from devenv.domain.model import Stack


def load_session(session: Session) -> Stack:
    """Return the stack of `session`. Raises ConfigError with every mistake."""
    fields = session.reading()
    return load_stack(Reading(**{**fields, "profiles": tuple(fields["profiles"])}))
