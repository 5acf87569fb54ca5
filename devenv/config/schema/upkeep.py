"""The keys of services.yaml that say what becomes of the work and of what it leaves behind: `git:` and `clean:`.

Only shapes: what holds between keys is checked by `repositories` and `cleaning`. Invariant: what is left out has the
default of the domain.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from devenv.config import clean_values, git_values, shapes, values
from devenv.config.schema.fields import Duration, Input, PlainText, Texts
from devenv.domain.cleaning import LogRules
from devenv.domain.git_rules import CommitPolicy, Pull, SyncRules

_SYNC = SyncRules(repos=())
_LOGS = LogRules()

Branch = Annotated[str, PlainValidator(git_values.read_branch), WithJsonSchema({"type": "string"})]
Message = Annotated[
    str, PlainValidator(git_values.read_message), WithJsonSchema({"type": "string", "examples": [_SYNC.message]})
]
Size = Annotated[int, PlainValidator(values.read_size), WithJsonSchema(shapes.SIZE)]


class PromoteInput(Input):
    """`promote:` a branch whose commits another one gets."""

    from_: Branch = Field(alias="from", description="The branch that has the commits.")
    to: Branch = Field(description="The branch that gets them, by a fast-forward or a merge beside the work tree.")


class SyncInput(Input):
    """`sync:` what is sent where."""

    nested: ClassVar[Mapping[str, type[Input]]] = {"promote": PromoteInput}

    remotes: Annotated[
        tuple[Annotated[str, PlainValidator(git_values.read_remote)], ...],
        BeforeValidator(values.list_one),
        WithJsonSchema(shapes.TEXTS),
    ] = Field(_SYNC.remotes, description="The remotes that get the branches, by their names.")
    branches: Annotated[
        tuple[Annotated[str, PlainValidator(git_values.read_branch)], ...],
        BeforeValidator(values.list_one),
        WithJsonSchema(shapes.TEXTS),
    ] = Field(_SYNC.branches, description="The branches that are pushed; by default the one that is checked out.")
    promote: PromoteInput | None = Field(None, description="A branch whose commits another one gets before the push.")
    commit: Annotated[
        CommitPolicy,
        PlainValidator(partial(values.read_choice, choices=git_values.COMMITS)),
        WithJsonSchema({"enum": list(git_values.COMMITS)}),
    ] = Field(_SYNC.commit, description="Whether what is not committed is: never (it is kept in a ref), ask or auto.")
    message: Message = Field(_SYNC.message, description="The message of such a commit; knows {date} and {branch}.")
    timeout: Annotated[float, PlainValidator(values.read_positive_duration), WithJsonSchema(shapes.DURATION)] = Field(
        _SYNC.timeout_s, description="How long one remote may take for one answer."
    )
    repos: Texts = Field((), description="Folders of the repositories, relative to this file; its own by default.")


class MirrorInput(Input):
    """One entry of `mirror:`; `from` and `to` must be given."""

    model_config = ConfigDict(json_schema_extra={"required": ["from", "to"]})

    from_: PlainText | None = Field(None, alias="from", description="The folder that is copied, relative to this file.")
    to: PlainText | None = Field(None, description="The folder of another repository that becomes like it.")
    commit: Message | None = Field(
        None, description="The message of a commit there; without one nothing is committed. Knows {date} and {branch}."
    )


class GitInput(Input):
    """`git:`."""

    nested: ClassVar[Mapping[str, type[Input]]] = {"sync": SyncInput}

    pull: Annotated[
        Pull,
        PlainValidator(partial(values.read_choice, choices=git_values.PULLS)),
        WithJsonSchema({"enum": list(git_values.PULLS)}),
    ] = Field(Pull.OFF, description="Whether `up` fetches and fast-forwards the branch: ff-only or off.")
    branch: Branch | None = Field(None, description="The branch to work on; `up` warns on another one.")
    sync: SyncInput | None = Field(None, description="What `down` and `sync` push where.")
    mirror: Annotated[object, WithJsonSchema({"type": "array", "items": shapes.later("MirrorInput")})] = Field(
        None, description="Folders that `down` and `sync` copy into other repositories."
    )


class BuildCacheInput(Input):
    """`build_cache:` how much of the engine's build cache stays."""

    keep: Size | None = Field(None, description="The size that the cache is brought down to.")
    older_than: Duration | None = Field(None, description="What was not used for longer than this goes.")


class LogsInput(Input):
    """`logs:` when the log of a service is rotated."""

    size: Annotated[int, PlainValidator(clean_values.read_log_size), WithJsonSchema(shapes.SIZE)] = Field(
        _LOGS.size_bytes, description="The size at which a log is rotated."
    )
    keep: Annotated[
        int,
        PlainValidator(clean_values.read_kept),
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": clean_values.MOST_KEPT}),
    ] = Field(_LOGS.keep, description="How many older pieces of a log stay.")


class CleanInput(Input):
    """`clean:`."""

    nested: ClassVar[Mapping[str, type[Input]]] = {"build_cache": BuildCacheInput, "logs": LogsInput}

    paths: Annotated[
        tuple[Annotated[str, PlainValidator(clean_values.read_glob)], ...],
        BeforeValidator(values.list_one),
        WithJsonSchema(shapes.TEXTS),
    ] = Field((), description="Globs below the folder of this file, such as dist or **/__pycache__.")
    caches: Annotated[
        tuple[Annotated[str, PlainValidator(clean_values.read_cache)], ...],
        BeforeValidator(values.list_one),
        WithJsonSchema(shapes.CACHES_WANTED),
    ] = Field((), description="Package managers whose caches are emptied, by their own commands.")
    build_cache: BuildCacheInput | None = Field(None, description="How much of the engine's build cache stays.")
    logs: LogsInput | None = Field(None, description="When the log of a service is rotated.")
