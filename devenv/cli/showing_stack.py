"""`devenv config` and `devenv graph`: the stack as it was read.

Needs no daemon and starts none. Must not read files itself. Invariant: secrets leave only where they were asked for.
"""

import json

from devenv.cli.output import print_aside, print_data
from devenv.cli.session import Session
from devenv.domain.model import ContainerRun, Stack


def show_schema() -> int:
    """Print the JSON Schema of services.yaml, for editors."""
    from devenv.config.schema.export import json_schema  # noqa: PLC0415 - loads pydantic

    print_data(json.dumps(json_schema(), indent=2))
    return 0


def show_config(session: Session, *, only: str, as_json: bool, show_secrets: bool) -> int:
    """Print the resolved stack; with `only` one kind of name in it (services, profiles, images, volumes) or nothing."""
    from devenv.cli.loading import load_session  # noqa: PLC0415
    from devenv.config.render import to_document, to_yaml  # noqa: PLC0415

    stack = load_session(session)
    for note in stack.notes:
        print_aside(f"note: {note}")
    if only == "quiet":
        return 0
    if only:
        names = _names(stack, only)
        print_data(json.dumps({"version": 1, only: names}) if as_json else "\n".join(names))
        return 0
    document = to_document(stack, show_secrets=show_secrets)
    print_data(json.dumps(document) if as_json else to_yaml(document).rstrip())
    return 0


def show_graph(session: Session, *, mermaid: bool, as_json: bool) -> int:
    """Print the dependency graph."""
    from devenv.adapters.state.run_record import JsonRunRecord  # noqa: PLC0415
    from devenv.cli.loading import load_session  # noqa: PLC0415
    from devenv.cli.views.graphs import graph_document, graph_mermaid, graph_text  # noqa: PLC0415

    stack = load_session(session)
    record = JsonRunRecord(session.paths.record).load()
    weights = record.weights if record else {}
    if as_json:
        print_data(json.dumps(graph_document(stack, weights)))
    else:
        print_data(graph_mermaid(stack) if mermaid else graph_text(stack, weights))
    return 0


def _names(stack: Stack, only: str) -> list[str]:
    services = stack.services.values()
    match only:
        case "services":
            return list(stack.services)
        case "profiles":
            return sorted({profile for service in services for profile in service.profiles})
        case _:
            return sorted({service.run.image for service in services if isinstance(service.run, ContainerRun)})
