"""Pulls or builds one service's image, as a process of its own.

python-on-whales gives neither a handle of the docker command that it runs nor a way to set that command's environment,
and costs 190 ms and 30 MB: a process has its own environment, can be ended with all that it started, and gives the
memory back. Invariant: exit status 0 means that the image is here; otherwise the last line says why it is not.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path


def get_image(request: dict[str, object]) -> int:
    """Pull or build as `request` says, writing progress to stdout; return the exit status."""
    from python_on_whales import DockerClient  # noqa: PLC0415 - the point of this process
    from python_on_whales.exceptions import DockerException  # noqa: PLC0415

    files: list[str | Path] = [*_texts(request["files"])]
    env_files: list[str | Path] = [*_texts(request["env_files"])]
    client = DockerClient(
        compose_files=files,
        compose_profiles=_texts(request["profiles"]),
        compose_env_files=env_files,
        compose_project_name=str(request["name"]),
        compose_project_directory=str(request["directory"]) or None,
    )
    service = [str(request["service"])]
    try:
        if request["action"] == "build":
            output = client.compose.build(service, progress="plain", stream_logs=True)
        else:
            output = client.compose.pull(service, stream_logs=True)
        for _, line in output or ():
            _say(line.decode(errors="replace"))
    except DockerException as error:
        complaint = (error.stderr or str(error)).strip().splitlines()
        _say(complaint[-1] if complaint else "docker compose failed without a word")
        return 1
    return 0


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, Iterable) else []


def _say(line: str) -> None:
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(get_image(json.loads(sys.argv[1])))
