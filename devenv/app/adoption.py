"""Takes over what an earlier daemon started: run record and world -> runners.

Must not start or stop anything. Invariant: a process is adopted only if pid and start time agree, or if it carries
the stack's marker; a container only by its Compose project and service labels.
"""

from collections.abc import Mapping
from dataclasses import replace

from devenv.app.container_instance import ContainerInstance
from devenv.app.crew import Crew
from devenv.app.instances import ProcessInstance
from devenv.app.ports import Container, Record, Recorded
from devenv.app.requests import Reading
from devenv.domain.errors import DevenvError
from devenv.domain.events import ServiceView
from devenv.domain.holders import ProcessId
from devenv.domain.lifecycle import LIVE, State
from devenv.domain.model import ComposeProject, ContainerRun, ExternalRun, Port, ProcessRun, Service, Stack, TaskRun
from devenv.domain.port_numbers import with_numbers
from devenv.domain.references import resolve

_UP = frozenset({"running", "restarting", "paused"})


async def adopt(crew: Crew, reading: Reading) -> None:
    """Give every service that still runs a runner, and every other one its last known view."""
    record = crew.tools.record.load()
    marked = crew.tools.processes.find_marked()
    if record is None and not marked:
        return
    record = record or Record(stack="", root=reading.directory, file=reading.file or "", boot=crew.tools.boot)
    crew.port_numbers.update(record.ports)
    crew.asked_ports.update(record.asked_ports)
    crew.weights.update(record.weights)
    stack = await _read(crew, reading, record)
    crew.stack = stack
    # not by their ids: a daemon that died early has made containers whose ids it never wrote down
    had_containers = any(recorded.view.run == "container" for recorded in record.services.values())
    project = (record.compose or stack.compose) if had_containers else None
    containers = await _list_containers(crew, project)
    for name in dict.fromkeys([*record.services, *marked]):
        recorded = record.services.get(name) or Recorded(view=ServiceView(name=name, run="process"))
        service = stack.services.get(name) or _stand_in(recorded)
        process = _alive_process(crew, recorded, marked.get(name, ()), same_boot=record.boot == crew.tools.boot)
        _take_over(
            crew,
            service=service,
            services=stack.services,
            recorded=recorded,
            process=process,
            container=containers.get(name),
        )


async def _read(crew: Crew, reading: Reading, record: Record) -> Stack:
    """Return the configured stack with its recorded ports; where it cannot be read, what the record says."""
    crew.ambient = reading.environment
    try:
        stack = await crew.tools.load(reading)
    except DevenvError as error:
        crew.board.note(f"watching what runs without its configuration: {error.what}", level="warning")
        return Stack(name=record.stack, root=record.root, files=(record.file,), services={}, compose=record.compose)
    crew.tools.logs.limit(stack.log_rules)
    numbered = {name: with_numbers(service, record.ports.get(name, ())) for name, service in stack.services.items()}
    complete = {name: service for name, service in numbered.items() if all(port.number for port in service.ports)}
    services = {}
    for name, service in complete.items():
        try:
            services[name] = resolve(service, complete)
        except (KeyError, IndexError):
            continue  # refers to a service that got no port before: it cannot have been running
    return replace(stack, services=services)


async def _list_containers(crew: Crew, project: ComposeProject | None) -> Mapping[str, Container]:
    if project is None:
        return {}
    try:
        engine = crew.open_engine(project)
        found = {container.service: container for container in await engine.list()}
        if any(container.state in _UP for container in found.values()):
            await crew.follow_engine()
    except DevenvError as error:
        crew.board.note(f"{error.what}: {error.why}", level="warning")
        return {}
    return found


def _take_over(
    crew: Crew,
    *,
    service: Service,
    services: Mapping[str, Service],
    recorded: Recorded,
    process: ProcessId | None,
    container: Container | None,
) -> None:
    runs_in_container = container is not None and container.state in _UP
    if process is None and not runs_in_container:
        crew.board.put(_ended(recorded.view))
        return
    if isinstance(service.run, ProcessRun | TaskRun) is (process is None):
        service = _stand_in(recorded)  # it is another kind of service by now; what runs is still what it was
    instance = crew.make_instance(service, {**services, service.name: service}, crew.refuse_creation)
    if isinstance(instance, ProcessInstance):
        instance.process = process
        instance.log_start = recorded.log_start
    if isinstance(instance, ContainerInstance) and container is not None:
        instance.container = container.id
    crew.board.put(replace(recorded.view, state=State.STOPPED, detail="", health=""))
    runner = crew.hire(service, services, (), instance)
    runner.fingerprint = recorded.fingerprint
    runner.enlist(adopted=True)
    crew.tasks.start_soon(runner.run)


def _alive_process(
    crew: Crew, recorded: Recorded, marked: tuple[ProcessId, ...], *, same_boot: bool
) -> ProcessId | None:
    if same_boot and recorded.process is not None and crew.tools.processes.is_alive(recorded.process):
        return recorded.process
    return marked[0] if marked else None


def _ended(view: ServiceView) -> ServiceView:
    """Return the view of a service that does not run."""
    if view.state is State.WAITING:
        return replace(view, state=State.STOPPED, detail="")
    if view.state in LIVE:
        return replace(view, state=State.STOPPED, pid=None, health="", detail="ended while no daemon was watching")
    return replace(view, pid=None, health="")


def _stand_in(recorded: Recorded) -> Service:
    """Return enough of a service to watch and to end it, from what was written down."""
    view = recorded.view
    run: ProcessRun | ContainerRun | ExternalRun | TaskRun
    match view.run:
        case "container":
            run = ContainerRun(image="")
        case "external":
            run = ExternalRun(url=view.url)
        case "task":
            run = TaskRun(argv=(), working_dir=".")
        case _:
            run = ProcessRun(argv=(), working_dir=".")
    ports = tuple(Port(number=number) for number in view.ports)
    return Service(name=view.name, run=run, ports=ports, stop=recorded.stop)
