"""The command that installs what a lock file locks, by the name of the file.

Pure. The gate, which sees what is installed and by which version of a tool, may know a better one.
"""

from collections.abc import Mapping

NODE_INSTALLS: Mapping[str, str] = {
    "package-lock.json": "npm ci",
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "yarn.lock": "yarn install",
    "bun.lock": "bun install --frozen-lockfile",
}
PYTHON_INSTALLS: Mapping[str, str] = {
    "uv.lock": "uv sync",
    "poetry.lock": "poetry install",
    "pdm.lock": "pdm sync",
    "Pipfile.lock": "pipenv sync",
}
