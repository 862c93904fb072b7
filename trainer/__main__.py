"""The command line, as `grpo-trainer` and as `python -m trainer`; see `cli`."""

import sys

EXTRA = "trainer"


def main() -> None:
    """Run the command line, or say what has to be installed first."""
    try:
        from trainer.cli import app

        app()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("trainer", "verifier_service"):
            raise
        sys.exit(f"{error.name} is not installed, which the trainer needs: pip install 'grpo-verifier[{EXTRA}]'")


if __name__ == "__main__":
    main()
