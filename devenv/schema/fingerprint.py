"""One short text for a whole schema: equal where two databases have the same tables, columns, enums, keys and indexes.

Pure. Must not know where the schema came from. Invariant: neither the order in which a server lists things nor its
version, nor a place in the code, changes it.
"""

import hashlib
import json
from dataclasses import asdict

from devenv.schema.ir import Schema, Table


def fingerprint_schema(schema: Schema) -> str:
    """Return the SHA-256 of everything in `schema` that a dump and a restore keep."""
    tables = sorted((_encode_table(table) for table in schema.tables), key=json.dumps)
    enums = sorted([enum.schema, enum.name, list(enum.values)] for enum in schema.enums)
    text = json.dumps([str(schema.dialect), tables, enums], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _encode_table(table: Table) -> list[object]:
    columns = [{name: value for name, value in asdict(column).items() if name != "place"} for column in table.columns]
    sets = (table.uniques, table.indexes, table.foreign_keys)
    keys = [sorted(json.dumps(asdict(one) if not isinstance(one, tuple) else one) for one in kind) for kind in sets]
    return [table.schema, table.name, table.is_view, columns, list(table.primary_key), keys]
