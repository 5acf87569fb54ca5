"""`python -m devenv` and the `devenv` command."""

import sys


def main() -> None:
    """Run the command line."""
    from devenv.cli.entry import run  # noqa: PLC0415 - keeps `import devenv.__main__` free of effects

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
