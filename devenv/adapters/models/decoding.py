"""Turns what a probe said into a `ModelAnswer`.

Pure. Must not know how a probe is run. Invariant: a document that a probe wrote decodes, and any other one raises
ValueError.
"""

import json
from collections.abc import Mapping
from typing import Any

from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Schema, Table
from devenv.schema.ports import ModelAnswer


def read_document(text: str) -> dict[str, Any]:
    """Return the JSON object that a probe wrote; raises ValueError for anything else."""
    document = json.loads(text)
    if not isinstance(document, dict) or "ok" not in document:
        raise ValueError("not the document of a probe")
    return document


def decode_answer(document: Mapping[str, Any]) -> ModelAnswer:
    """Return the answer in a document whose `ok` is true; raises ValueError where it is not one."""
    try:
        return ModelAnswer(
            schema=Schema(
                dialect=Dialect(document["dialect"]),
                source=document["source"],
                tables=tuple(_table(table) for table in document["tables"]),
                enums=tuple(
                    Enum(name=one["name"], schema=one["schema"], values=tuple(one["values"]), place=one["place"])
                    for one in document["enums"]
                ),
            ),
            version_table=document.get("version_table", ""),
            version_schema=document.get("version_schema", ""),
            ignored_tables=tuple(document["ignored"]),
            database_url=document["database_url"],
            warnings=tuple(document["warnings"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not the answer of a probe: {error!r}") from error


def _table(data: Mapping[str, Any]) -> Table:
    return Table(
        name=data["name"],
        schema=data["schema"],
        columns=tuple(Column(**{**column, "values": tuple(column["values"])}) for column in data["columns"]),
        primary_key=tuple(data["primary_key"]),
        uniques=tuple(tuple(names) for names in data["uniques"]),
        indexes=tuple(Index(**{**index, "columns": tuple(index["columns"])}) for index in data["indexes"]),
        foreign_keys=tuple(_foreign_key(key) for key in data["foreign_keys"]),
        is_view=data["is_view"],
        place=data["place"],
    )


def _foreign_key(data: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(**{**data, "columns": tuple(data["columns"]), "targets": tuple(data["targets"])})
