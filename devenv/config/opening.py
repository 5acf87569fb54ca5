"""What every reader of services.yaml begins with: that it is a mapping, and what its variables mean.

Must not know input models: whoever reads one key does not pay for the others. Invariant: `env_file` is read before
anything that may use a variable.
"""

from collections.abc import Mapping

from devenv.config.text import paths
from devenv.config.text.nodes import Document, Path
from devenv.config.text.problems import Problems
from devenv.config.text.variables import Variables, fill, load_dotenv, load_env_files
from devenv.config.values import list_one, read_filled, say


def check_mapping(document: Document, problems: Problems) -> bool:
    """Tell whether the file is a mapping of keys at all; note it where it is not."""
    if isinstance(document.root.value, dict):
        return True
    message = f"must be a mapping with the key services, not {say(document.data)}"
    problems.add(document.file, document.root.place, message)
    return False


def load_variables(
    document: Document, environment: Mapping[str, str], problems: Problems
) -> tuple[Variables, tuple[str, ...], dict[str, str]]:
    """Return the file's variables, the paths of the stack's env_files, and what these define for all processes.

    They are read before everything else, as they define variables for the rest.
    """
    folder = paths.folder_of(document.file.path)
    variables = load_dotenv(folder, environment, problems)
    first = fill(document, variables, Problems(folder), at=("env_file",))  # its mistakes are found again with all
    found: list[str] = []
    for index, item in enumerate(list_one(first.data) if first.data is not None else []):
        try:
            path = paths.join(folder, read_filled(item))
        except ValueError:
            continue
        found.append(path)
        check_env_file(document, path, ("env_file", index), problems)
    shared = load_env_files(found, variables, problems)
    variables.layers.insert(1, shared)
    return variables, tuple(found), shared


def check_env_file(document: Document, path: str, at: Path, problems: Problems) -> None:
    """Note at `at` that the env file at `path` does not exist."""
    if not paths.is_file(path):
        problems.add(document.file, document.place(at), f"the env file {problems.show(path)} does not exist")
