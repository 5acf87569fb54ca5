"""The JSON Schema of services.yaml, for editors.

Must not read any data. Invariant: every reference in it is defined in it, and every key has a description.
"""

from typing import cast

from pydantic import TypeAdapter

from devenv import probes
from devenv.config import shapes
from devenv.config.schema.fields import Input
from devenv.config.schema.services import ServiceInput, StackInput
from devenv.config.schema.upkeep import CleanInput, GitInput, MirrorInput
from devenv.domain.probe import Probe

_TIMEOUT: dict[str, object] = {
    "timeout": {**shapes.DURATION, "description": "How long the service may take to become ready."}
}


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of services.yaml."""
    schema = StackInput.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    models: tuple[type[Input], ...] = (ServiceInput, *ServiceInput.nested.values(), GitInput, MirrorInput, CleanInput)
    for model in models:
        inner = model.model_json_schema()
        definitions.update(inner.pop("$defs", {}))
        definitions[model.__name__] = inner
    one = {"anyOf": [_probe_schema(kind, definitions) for kind in probes.ALL]}
    only_timeout = {"type": "object", "properties": _TIMEOUT, "required": ["timeout"], "additionalProperties": False}
    definitions["Probe"] = one
    definitions["Ready"] = {
        "description": "One probe, or a list of probes that must all pass.",
        "anyOf": [shapes.later("Probe"), {"type": "array", "items": shapes.later("Probe")}, only_timeout],
    }
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "services.yaml"}
    return cast("dict[str, object]", shapes.with_refs(whole))


def _probe_schema(kind: type[Probe], definitions: dict[str, object]) -> dict[str, object]:
    """Return the schema of `{KIND: value, option: ..., timeout: ...}`."""
    inner = TypeAdapter(kind).json_schema()
    definitions.update(inner.pop("$defs", {}))
    properties = {kind.kind if name == "value" else name: shape for name, shape in inner["properties"].items()}
    for name, shape in properties.items():
        shape.setdefault("description", f"The {kind.kind} probe's {name}.")
    summary = (kind.__doc__ or "").strip().splitlines()
    properties[kind.kind]["description"] = summary[0] if summary else kind.kind
    return {
        "type": "object",
        "properties": {**properties, **_TIMEOUT},
        "required": [kind.kind],
        "additionalProperties": False,
    }
