"""The manifest of one mirror on disk, in the target's git folder.

Must not know what it is used for. Invariants: it is written beside and renamed; one that cannot be read is none, and
with none, nothing is deleted; a path in it that leads out of the target makes it unreadable.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from devenv.adapters.state.claims import write_private
from devenv.adapters.state.paths import create_private, translate
from devenv.sync.mirroring import Content, Kind, Manifest, Record, Stamp

STAGED = ".devenv-mirror-"
"""What the name of a file begins with that is still being written."""

_VERSION = 1
_LETTERS = {"f": (Kind.FILE, False), "x": (Kind.FILE, True), "l": (Kind.LINK, False)}


class ManifestFile:
    """The manifest at `path`; `names` say in it which mirror it is of."""

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self._path = path
        self._names = dict(names)
        self._written: Manifest | None = None
        self.is_damaged = False

    def read(self) -> Manifest:
        """Return what earlier runs wrote, an empty manifest where they wrote nothing. Raises HostError."""
        try:
            manifest = _decode(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise translate(error, f"cannot read {self._path}") from error
        except (ValueError, KeyError, TypeError, AttributeError):
            self.is_damaged = True
            return Manifest()
        self._written = manifest
        return manifest

    def write(self, manifest: Manifest) -> None:
        """Write it where it differs from what is there. Raises HostError, and then leaves what is there."""
        if manifest == (self._written or Manifest()) and not self.is_damaged:
            return
        create_private(self._path.parent)
        for left in self._path.parent.glob(f".{self._path.name}.*"):  # a killed run's: only one runs at a time
            with suppress(OSError):
                left.unlink()
        write_private(self._path, json.dumps(self._names | _encode(manifest), separators=(",", ":")) + "\n")
        self._written, self.is_damaged = manifest, False


def _encode(manifest: Manifest) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "records": {path: _encode_record(record) for path, record in manifest.records.items()},
        "folders": sorted(manifest.folders),
        "gone": sorted(manifest.gone),
        "staged": manifest.staged,
        "coming": {path: _encode_record(record) for path, record in manifest.coming.items()},
        "going": manifest.going,
    }


def _decode(data: Mapping[str, Any]) -> Manifest:
    if data["version"] != _VERSION:
        raise ValueError(data["version"])
    return Manifest(
        records={_safe(path): _decode_record(record) for path, record in data["records"].items()},
        folders=frozenset(_safe(path) for path in data["folders"]),
        gone=frozenset(_safe(path) for path in data["gone"]),
        staged=tuple(_safe(path) for path in data["staged"] if path.rpartition("/")[2].startswith(STAGED)),
        coming={_safe(path): _decode_record(record) for path, record in data["coming"].items()},
        going={_safe(path): _decode_stamp(stamp) for path, stamp in data["going"].items()},
    )


def _safe(path: str) -> str:
    if path.startswith("/") or {"", ".", "..", ".git"}.intersection(path.split("/")):
        raise ValueError(path)
    return path


def _encode_record(record: Record) -> list[Any]:
    contents = [_encode_content(record.source), _encode_content(record.put)]
    return [*contents, record.is_ours, record.source_proof, record.target_proof]


def _decode_record(data: list[Any]) -> Record:
    source, put, is_ours, source_proof, target_proof = data
    return Record(
        source=_decode_content(source),
        put=_decode_content(put),
        is_ours=is_ours is True,
        source_proof=_decode_stamp(source_proof),
        target_proof=_decode_stamp(target_proof),
    )


def _encode_content(content: Content) -> str:
    shape = (content.kind, content.is_executable)
    return next(letter for letter, one in _LETTERS.items() if one == shape) + content.digest


def _decode_content(text: str) -> Content:
    kind, is_executable = _LETTERS[text[0]]
    return Content(kind=kind, digest=text[1:], is_executable=is_executable)


def _decode_stamp(numbers: list[int]) -> Stamp:
    return tuple(int(number) for number in numbers)
