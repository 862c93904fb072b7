"""The command line, as `grpo-trainer` and as `python -m trainer`; see `cli`."""

import sys

EXTRA = "trainer"


def main() -> None:
    """Run the command line, or say which package to install first."""
    try:
        from trainer.cli import app

        app()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("trainer", "verifier_service"):
            raise
        sys.exit(f"the trainer needs {error.name}, which is not installed: pip install 'grpo-verifier[{EXTRA}]'")


if __name__ == "__main__":
    main()
