"""What is to be checked: one service's code, and the database that it works on.

Pure values, complete: whoever has a `Subject` needs neither configuration nor daemon. Invariant: no text in it holds a
reference (`${api.port}`) any more.
"""

from dataclasses import dataclass, field

from devenv.domain.database import ServerPlace
from devenv.domain.model import SchemaRules
from devenv.schema.ports import CodePlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`rules` are the service's own, resolved; `repository` is the folder that is searched for what has moved.

    `process_started` is when the service's process began (UTC seconds), None where none runs. `server` tells where the
    database's own tools are.
    """

    service: str
    rules: SchemaRules
    code: CodePlace
    repository: str
    process_started: float | None = None
    server: ServerPlace = field(default_factory=ServerPlace)
