"""JSON Schema of the forms that one key of services.yaml may have: text or list, list or mapping, number or range.

Plain data, must not import the schema's library. Invariant: what a shape allows, `values` reads, but for wrong words.
"""

from devenv.config.values import CONDITIONS
from devenv.domain.cleaning import CACHES

LATER = "x-definition"  # pydantic looks up each $ref while it builds; ours join after


def later(name: str) -> dict[str, str]:
    """Return a reference to a definition that is added at the end."""
    return {LATER: name}


TEXT = {"type": ["string", "number", "boolean"]}
TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
DURATION = {"type": ["string", "number"], "examples": ["30s", "1m30s", "500ms"]}
SIZE = {"type": ["string", "integer"], "examples": ["10GB", "500MB", "1.5GiB"]}
COMMAND = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": TEXT, "minItems": 1}]}
CACHES_WANTED = {"anyOf": [{"enum": list(CACHES)}, {"type": "array", "items": {"enum": list(CACHES)}}]}
ENVIRONMENT = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}},
        {"type": "array", "items": {"type": "string"}},
    ]
}

SCHEMA = {"anyOf": [{"type": "boolean"}, later("SchemaInput")]}
PREFIXES = {"type": "object", "additionalProperties": {"anyOf": [DURATION, {"const": "any"}]}}
FORBIDDEN = {"type": "object", "additionalProperties": {"anyOf": [{"type": "null"}, TEXT, {"type": "array"}]}}

PORT = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "examples": ["8000-8003", "127.0.0.1:8000", "auto"]},
        later("PortInput"),
    ]
}
EDGES = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}},
        {
            "type": "object",
            "additionalProperties": {"anyOf": [{"enum": list(CONDITIONS)}, {"type": "null"}, later("DependencyInput")]},
        },
    ]
}


def with_refs(schema: object) -> object:
    """Return a schema with those references as JSON Schema writes them."""
    if isinstance(schema, dict):
        if LATER in schema:
            return {"$ref": f"#/$defs/{schema[LATER]}"} | {key: item for key, item in schema.items() if key != LATER}
        return {key: with_refs(item) for key, item in schema.items()}
    return [with_refs(item) for item in schema] if isinstance(schema, list) else schema
