"""Which database: a URL as SQLAlchemy and its kin write it, as values that can be shown.

Pure. Must not know drivers. Invariant: `describe` never shows a password.
"""

import posixpath
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_DIALECTS = {"postgres": "postgresql", "mariadb": "mysql", "file": "sqlite"}
_PORTS = {"postgresql": 5432, "mysql": 3306}
_TLS_MODES = frozenset({"require", "verify-ca", "verify-full"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where to log in. `dialect` is postgresql, mysql (MariaDB too) or sqlite.

    `socket` is the path of a unix socket, `name` a database or a SQLite file; `schema` is the PostgreSQL schema that
    the URL asks for (Prisma's `?schema=`, or the first of a `search_path`), empty for the server's own choice.
    """

    dialect: str
    host: str = "127.0.0.1"
    port: int = 0
    user: str = ""
    password: str = ""
    name: str = ""
    socket: str = ""
    schema: str = ""
    needs_tls: bool = False

    def describe(self) -> str:
        """Return `database app at 127.0.0.1:5432`, or the file; without user and password."""
        if self.dialect == "sqlite":
            return f"SQLite file {self.name}"
        schema = f", schema {self.schema}" if self.schema else ""
        return f"database {self.name or '(none)'}{schema} at {self.socket or f'{self.host}:{self.port}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlace:
    """Where a database's own tools (pg_dump, mysqldump) are: inside a container, in a folder, or on the PATH.

    `container` is the id of the running container with the server, '' for none; `programs` the folder of an embedded
    server's programs, '' for the PATH. `inner_port` is the server's port inside its container.
    """

    service: str = ""
    container: str = ""
    programs: str = ""
    inner_port: int = 0


def parse_url(url: str, folder: str) -> Database:
    """Read a database URL; `folder` is where relative SQLite paths begin.

    The driver's name in a scheme (`postgresql+psycopg`) does not matter; Prisma's `file:./dev.db` is SQLite. Raises
    ValueError, without the password in its words, where the URL names nothing that can be asked.
    """
    scheme, _, rest = url.partition(":")
    dialect = dialect_of(url)
    if dialect == "sqlite":
        return Database(dialect=dialect, name=_sqlite_path(scheme, rest, folder))
    if dialect not in _PORTS:
        raise ValueError(f"{dialect} is none of postgresql, mysql, mariadb, sqlite")
    try:
        place = _split(url)
        options = {name: values[-1] for name, values in parse_qs(place.query).items()}
        port = place.port or int(options.get("port", _PORTS[dialect]))
    except ValueError:  # its words quote what may be half a password
        raise ValueError(
            "its host or port makes no sense; in a password, write / ? # [ ] as %2F %3F %23 %5B %5D"
        ) from None
    host = place.hostname or options.get("host", "127.0.0.1")
    socket = options.get("unix_socket", f"{host}/.s.PGSQL.{port}" if host.startswith("/") else "")
    return Database(
        dialect=dialect,
        host=host,
        port=port,
        user=unquote(place.username or options.get("user", "")),
        password=unquote(place.password or options.get("password", "")),
        name=unquote(place.path.strip("/")),
        socket=socket,
        schema=options.get("schema", "") or _search_path(options.get("options", "")),
        needs_tls=options.get("sslmode", "") in _TLS_MODES,
    )


def _split(url: str) -> SplitResult:
    """Split a URL. Raises ValueError where a password that is not encoded would be read as host or database."""
    place = urlsplit(url)
    if place.fragment or "@" in place.path or ("@" in place.query and "@" not in place.netloc):
        raise ValueError
    return place


def dialect_of(url: str) -> str:
    """Return what kind of database the scheme of `url` means; the scheme itself where it means none."""
    written = url.partition(":")[0].partition("+")[0]
    return _DIALECTS.get(written, written)


def is_database_url(text: str) -> bool:
    """Tell whether `text` looks like a URL that `parse_url` reads."""
    scheme, _, rest = text.partition(":")
    if scheme == "file":
        return rest.endswith((".db", ".sqlite", ".sqlite3"))
    return (dialect_of(text) in _PORTS or dialect_of(text) == "sqlite") and rest.startswith("//")


def _search_path(options: str) -> str:
    """Return the first schema of `-c search_path=app,public`, as libpq's `options` carry it."""
    _, sign, after = options.replace("%3D", "=").partition("search_path=")
    return after.split()[0].split(",")[0].strip('"') if sign and after.split() else ""


def _sqlite_path(scheme: str, rest: str, folder: str) -> str:
    path = unquote(rest.partition("?")[0])
    if scheme == "file":
        return posixpath.normpath(posixpath.join(folder, path.removeprefix("//")))
    if not path.startswith("///") or path in {"///", "///:memory:"}:
        raise ValueError("a SQLite URL names a file: sqlite:///relative.db or sqlite:////absolute.db")
    return posixpath.join(folder, path[3:])
