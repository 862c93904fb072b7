"""Start the supervisor: `python3 -m sandboxes.harness CONFIG`, CONFIG is the JSON of `supervisor.Config`."""

import json
import sys

from sandboxes.harness.supervisor import Config, Supervisor

if __name__ == "__main__":
    Supervisor(Config(**json.loads(sys.argv[1]))).serve()
