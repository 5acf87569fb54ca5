"""What all input models share: that unknown keys are refused, and the types of their fields.

Invariant: every value goes through `values` or its neighbours, which know the words for what is wrong; no model lets
pydantic convert anything.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, WithJsonSchema

from devenv.config import shapes, values


class Input(BaseModel):
    """A mapping of keys; `nested` says whose keys the mappings below some of them have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    nested: ClassVar[Mapping[str, type["Input"]]] = {}


Text = Annotated[str, PlainValidator(values.read_text), WithJsonSchema({"type": "string"})]
PlainText = Annotated[str, PlainValidator(values.read_filled), WithJsonSchema({"type": "string"})]
Texts = Annotated[
    tuple[Annotated[str, PlainValidator(values.read_filled)], ...],
    BeforeValidator(values.list_one),
    WithJsonSchema(shapes.TEXTS),
]
Flag = Annotated[bool, PlainValidator(values.read_flag), WithJsonSchema({"type": "boolean"})]
Duration = Annotated[float, PlainValidator(values.read_duration), WithJsonSchema(shapes.DURATION)]
Argv = Annotated[tuple[str, ...], PlainValidator(values.read_argv), WithJsonSchema(shapes.COMMAND)]
