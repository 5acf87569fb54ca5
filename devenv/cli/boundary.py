"""The one error boundary: whatever a command raises becomes words and an exit status.

Must not import the command framework: the short way in passes here too. Invariant: `conduct` lets no exception
through; a known failure is shown as what, why and fix, a bug as a path to its crash file.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from devenv.cli.output import here, print_aside, print_data
from devenv.domain.errors import DevenvError, UsageError


def conduct(call: Callable[[], object], *, as_json: bool) -> int:
    """Run a command; return its exit status."""
    try:
        result = call()
    except DevenvError as error:
        return _show_error(error, as_json=as_json)
    except KeyboardInterrupt:
        print_aside("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except Exception as error:  # noqa: BLE001 - the one boundary
        return _show_unexpected(error)
    return result if isinstance(result, int) else 0


def _show_error(error: DevenvError, *, as_json: bool) -> int:
    from devenv.cli.failures import describe_error  # noqa: PLC0415

    if as_json:
        from devenv.domain.errors import to_fields  # noqa: PLC0415

        print_data(json.dumps({"version": 1, "status": error.exit_status, "failures": [to_fields(error)]}))
    else:
        print_aside("\n".join(describe_error(error)))
    return error.exit_status


def _show_unexpected(error: Exception) -> int:
    """Show a mistake on the command line as such, and a bug as a path to its crash file."""
    show = getattr(error, "format_message", None)
    if show is not None:
        return _show_error(UsageError(f"cannot run this command: {show()}", fix="devenv --help"), as_json=False)
    from devenv.adapters.state.paths import state_home  # noqa: PLC0415
    from devenv.daemon.main import write_crash_file  # noqa: PLC0415

    command = write_crash_file(Path(state_home(here())) / "crash", error)
    print_aside(f"error: a bug in devenv ({type(error).__name__}: {error})\n  fix: {command}")
    return 70
