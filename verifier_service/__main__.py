"""The command line, as `grpo-verifier` and as `python -m verifier_service`; see `cli`."""

import sys

EXTRA = "service"


def main() -> None:
    """Run the command line; if a dependency is missing, exit with the `pip install` that provides it."""
    try:
        from verifier_service.cli import cli
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("verifier_service", "sandboxes"):
            raise
        sys.exit(f"the service needs {error.name}, which is not installed: pip install 'grpo-verifier[{EXTRA}]'")
    cli()


if __name__ == "__main__":
    main()
