"""Print the program that `helm test` runs, changed for a service in the same container."""

from pathlib import Path

import yaml

TEMPLATE = Path(__file__).parents[2] / "deploy" / "helm" / "grpo-verifier" / "templates" / "tests" / "judge.yaml"


def program() -> str:
    """Return the lines below `args`, with the address of this container in place of the service's."""
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if line.strip() == "args:")
    end = next(number for number, line in enumerate(lines) if number > begin and line.lstrip().startswith("{{-"))
    text = "\n".join(lines[begin:end])
    before, _, rest = text.partition("{{ printf")
    address = "http://127.0.0.1:8000"
    return yaml.safe_load(f'{before}"{address}"{rest.partition("}}")[2]}')["args"][0]


if __name__ == "__main__":
    print(program())  # noqa: T201
