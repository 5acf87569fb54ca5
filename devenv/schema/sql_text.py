"""What SQL files make and write to, read without an SQL parser: statement by statement, in bounded memory.

Comments, strings, `$$bodies$$` and the data of COPY are stepped over; a command to psql, sqlite3 or mysql (`.read
other.sql`) is a statement of one line. Must not know databases or migration tools.
Invariants: reading takes time in proportion to the text, and of a statement only its beginning is kept. Names come back
in lower case, with their schema where the text gives one (`app.orders`), without quotes.
"""

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

_KEPT = 64_000  # of one statement: an ALTER TABLE with a thousand columns is shorter

_LONGEST_NAME = 600  # characters of `INSERT INTO schema.table (`, with room to spare

_NAME = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\]|[^\W\d][\w$]*)"
_TABLE = rf"({_NAME}(?:\s*\.\s*{_NAME}){{0,2}})"
_I = re.IGNORECASE
_IS = re.IGNORECASE | re.DOTALL

_NEXT = re.compile(
    r"--|/\*|['\"`;]|\$(?:[^\W\d]\w*)?\$|^[ \t]*[\\#.]"
    r"|^delimiter[ \t]+(?!;\s*$)\S|^(?:use|source)[ \t]+[^\s;]+[ \t\r]*$",
    _I | re.MULTILINE,
)
# What a long list of values is made of, read in one go.
_DATA = re.compile(r"(?:[^'\"`;$/\-#\\]++|(?<![eE])'[^']*+'|-(?!-)|/(?!\*)|\"[^\"]*+\"|`[^`]*+`)*+")
_ESCAPED_DATA = re.compile(r"(?:[^'\"`;$/\-#\\]++|'(?:[^'\\]++|\\.)*+'|-(?!-)|/(?!\*)|`[^`]*+`)*+", re.DOTALL)
_LINE_END = re.compile(r"\n")
_COPY_END = re.compile(r"^\\\.\s*$", re.MULTILINE)
_DELIMITER_END = re.compile(r"^delimiter[ \t]+;", _I | re.MULTILINE)
_STRING_END = re.compile(r"'")
_ESCAPED_STRING_END = re.compile(r"(?:[^'\\]++|\\.)*+'", re.DOTALL)
_CLOSINGS = {"--": _LINE_END, "/*": re.compile(r"\*/"), '"': re.compile('"'), "`": re.compile("`")}

_INSERT = re.compile(rf"\s*(?:INSERT|REPLACE)\b[\w\s]*?\bINTO\s+(?:TABLE\s+)?{_TABLE}", _I)
_COPY = re.compile(rf"\s*\\?COPY\s+(?:BINARY\s+)?{_TABLE}\s*(?:\([^)]*\)\s*)?FROM\b\s*(STDIN\b)?", _I)
_INSERT_BEGUN = re.compile(_INSERT.pattern + r"(?:\s*\(|\s+[A-Z])", _I)
_WRITES = (
    _INSERT,
    re.compile(rf"\s*REPLACE\s+(?!INTO\b){_TABLE}\s*(?:\(|VALUES\b|SELECT\b)", _I),
    _COPY,
    re.compile(rf"\s*UPDATE\s+(?:ONLY\s+)?{_TABLE}\s+(?:AS\s+)?(?:(?!SET\b)\w+\s+)?SET\b", _I),
    re.compile(rf"\s*DELETE\s+FROM\s+(?:ONLY\s+)?{_TABLE}", _I),
    re.compile(rf"\s*LOAD\s+DATA\b.*?\bINTO\s+TABLE\s+{_TABLE}", _IS),
    re.compile(rf"\s*WITH\b.*?\bINSERT\s+INTO\s+{_TABLE}", _IS),
)
_TRUNCATE = re.compile(rf"\s*TRUNCATE\s+(?:TABLE\s+)?(?:ONLY\s+)?({_TABLE}(?:\s*,\s*{_TABLE})*)", _I)
_CREATE = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:GLOBAL|LOCAL)\s+)?"
    r"(?:TEMP(?:ORARY)?\s+|UNLOGGED\s+|FOREIGN\s+|VIRTUAL\s+|MATERIALIZED\s+|RECURSIVE\s+)?(?:TABLE|VIEW)\s+"
    rf"(?:IF\s+NOT\s+EXISTS\s+)?{_TABLE}",
    _I,
)
_ALTER = re.compile(rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_TABLE}\s", _I)
_NO_COLUMN = r"(?:CONSTRAINT|PRIMARY|UNIQUE|FOREIGN|INDEX|KEY|CHECK|FULLTEXT|SPATIAL|PARTITION|EXCLUDE|PERIOD|COLUMN)\b"
_COLUMN = re.compile(
    rf"\bADD\s+(?:COLUMN\s+|(?!{_NO_COLUMN}))(?:IF\s+NOT\s+EXISTS\s+)?({_NAME})"
    rf"|\bRENAME\s+(?:COLUMN\s+)?(?!(?:TO|INDEX|KEY|CONSTRAINT)\b){_NAME}\s+TO\s+({_NAME})"
    rf"|\bCHANGE\s+(?:COLUMN\s+)?{_NAME}\s+({_NAME})",
    _I,
)
_RENAMED = re.compile(rf"\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?({_NAME}\s*\.\s*)?{_NAME}\s+RENAME\s+TO\s+({_NAME})", _I)
_ROUTINE = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:TEMP(?:ORARY)?\s+|CONSTRAINT\s+|AGGREGATE\s+)?"
    r"(?:TRIGGER|PROCEDURE|FUNCTION|EVENT(?!\s+TRIGGER))\b.*\bBEGIN\b",
    _IS,
)
_ROUTINE_END = re.compile(r"\s*END\s*$", _I)
_FOR_MYSQL = re.compile(r"`|^-- (?:MySQL|MariaDB) dump", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A table that a text makes, or a column of one where `column` is not ''; `line` counts from 1."""

    table: str
    column: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The beginning of a statement, its strings emptied and its comments gone; `line` counts from 1."""

    text: str
    line: int


def read_made(text: str) -> Iterator[Made]:
    """Give the tables and columns that `text` makes, in its order."""
    for statement in read_statements((text,)):
        yield from made_by(statement)


def tables_created(text: str) -> frozenset[str]:
    """Return the tables and views that `text` creates, or renames to."""
    return frozenset(made.table for made in read_made(text) if not made.column)


def columns_added(text: str) -> frozenset[tuple[str, str]]:
    """Return the (table, column) pairs that `text` adds to tables, or renames to."""
    return frozenset((made.table, made.column) for made in read_made(text) if made.column)


def tables_written(text: str) -> frozenset[str]:
    """Return the tables whose rows `text` changes."""
    return frozenset(name for statement in read_statements((text,)) for name in written_by(statement))


def made_by(statement: Statement) -> Iterator[Made]:
    """Give the tables and columns that one statement makes."""
    if created := _CREATE.match(statement.text):
        yield Made(table=_plain(created[1]), line=statement.line)
    elif renamed := _RENAMED.match(statement.text):
        yield Made(table=_plain((renamed[1] or "") + renamed[2]), line=statement.line)
    elif altered := _ALTER.match(statement.text):
        for column in _COLUMN.finditer(statement.text, altered.end() - 1):
            name = column[1] or column[2] or column[3]
            yield Made(table=_plain(altered[1]), column=_plain(name), line=statement.line)


def written_by(statement: Statement) -> Iterator[str]:
    """Give the tables whose rows one statement changes."""
    if truncated := _TRUNCATE.match(statement.text):
        yield from (_plain(name) for name in re.findall(_TABLE, truncated[1]))
        return
    for pattern in _WRITES:
        if found := pattern.match(statement.text):
            yield _plain(found[1])
            return


def read_statements(chunks: Iterable[str]) -> Iterator[Statement]:
    """Give the statements of a text; `chunks` end where lines do, as far as lines are of bearable length.

    The bodies of triggers and procedures are no statements of their own.
    """
    in_routine = False
    for statement in _split(chunks):
        if in_routine:
            in_routine = not _ROUTINE_END.match(statement.text)
        else:
            in_routine = bool(_ROUTINE.match(statement.text)) and not re.search(r"\bEND\s*$", statement.text, _I)
            yield statement


def _split(chunks: Iterable[str]) -> Iterator[Statement]:
    reader = _Reader()
    for chunk in chunks:
        yield from reader.read(chunk)
    yield from reader.end()


class _Reader:
    """Cuts text into statements; keeps what is open at the end of a chunk: a string, a comment, a block of data."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._line = 1
        self._start = 1  # the line that the statement begins on
        self._closing: re.Pattern[str] | None = None
        self._is_mysql: bool | None = None
        self._is_insert = False

    def read(self, chunk: str) -> Iterator[Statement]:
        if self._is_mysql is None:
            self._is_mysql = bool(_FOR_MYSQL.search(chunk))
        position = 0
        while position < len(chunk):
            start = position
            position = self._step_over(chunk, position)
            found = _NEXT.search(chunk, position) if not self._closing else None
            end = found.start() if found else len(chunk)
            self._line += chunk.count("\n", start, position)
            self._keep(chunk[position:end])
            self._line += chunk.count("\n", position, end)
            position = end
            if found:
                position = yield from self._take(chunk, found)
                self._line += chunk.count("\n", end, position)

    def end(self) -> Iterator[Statement]:
        text = "".join(self._parts)
        self._parts, self._size, self._is_insert = [], 0, False
        if text:
            yield Statement(text=text, line=self._start)

    def _step_over(self, chunk: str, position: int) -> int:
        """Return where what is open ends, or where the values of an INSERT that is known already do."""
        if self._closing:
            ended = self._closing.search(chunk, position)
            if ended is None:
                return len(chunk)
            self._closing = None
            position = ended.end()
        if self._is_insert or self._size > _KEPT:
            skipped = (_ESCAPED_DATA if self._is_mysql else _DATA).match(chunk, position)
            position = skipped.end() if skipped else position
        return position

    def _keep(self, text: str) -> None:
        if not self._parts:
            stripped = text.lstrip()
            self._start = self._line + text.count("\n", 0, len(text) - len(stripped))
            text = stripped
        if text and self._size <= _KEPT:
            self._parts.append(text)
            self._size += len(text)
            self._is_insert = self._is_insert or (
                self._size < _LONGEST_NAME and bool(_INSERT_BEGUN.match("".join(self._parts)))
            )

    def _take(self, chunk: str, found: re.Match[str]) -> Generator[Statement, None, int]:
        """Deal with a token that ends a statement or opens something; return where to read on."""
        token = found[0].strip().lower()
        match token[0]:
            case ";":
                has_data = _COPY.match("".join(self._parts)) if self._parts else None
                yield from self.end()
                self._closing = _COPY_END if has_data and has_data[2] else None
            case "'":
                is_escaped = self._is_mysql or chunk[found.start() - 1 : found.start()] in {"e", "E"}
                self._keep("''")
                self._closing = _ESCAPED_STRING_END if is_escaped else _STRING_END
            case '"' | "`":
                end = chunk.find(token, found.end())
                self._keep(chunk[found.start() : end + 1] if end >= 0 else "")
                self._closing = None if end >= 0 else _CLOSINGS[token]
                return end + 1 if end >= 0 else len(chunk)
            case "$":
                self._keep("''")
                self._closing = re.compile(re.escape(found[0]))
            case "\\" | "." if not self._parts:  # a command of psql or sqlite3, which ends where its line does
                text = chunk[found.end() - 1 : self._end_of_line(chunk, found.end())]
                yield Statement(text=text, line=self._line)
                has_data = _COPY.match(text)
                self._closing = _COPY_END if has_data and has_data[2] else _LINE_END
            case "u" | "s" if not self._parts:  # of mysql
                yield Statement(text=found[0].strip(), line=self._line)
            case "." | "d" | "u" | "s" if self._parts:
                self._keep(found[0])
            case "d":
                self._closing = _DELIMITER_END
            case _:
                self._keep(" ")
                self._closing = _CLOSINGS.get(token, _LINE_END)
        return found.end()

    @staticmethod
    def _end_of_line(chunk: str, position: int) -> int:
        end = chunk.find("\n", position)
        return end if end >= 0 else len(chunk)


def _plain(name: str) -> str:
    """Return a name in lower case without quotes; of three parts (`database.schema.table`) the last two."""
    parts = [part.strip('"`[]').replace('""', '"') for part in re.findall(_NAME, name)]
    return ".".join(parts[-2:]).lower()
