"""The kinds of probes, one file each; a new kind is a new file and one line here.

Must not know of clocks, retries or states, and nothing here loads a client library before a check needs it.
Invariant: a kind is a frozen dataclass whose first field, `value`, is what stands behind its name in a file.
"""

from devenv.domain.probe import Probe
from devenv.probes.exec import Exec
from devenv.probes.health import Health
from devenv.probes.http import Http
from devenv.probes.log import Log
from devenv.probes.redis import Redis
from devenv.probes.sql import Sql
from devenv.probes.tcp import Tcp

ALL: tuple[type[Probe], ...] = (Tcp, Http, Exec, Log, Sql, Redis, Health)
