"""Endpoints in the formats of other stacks, one per module, built on judging or running.

To add one, write a module that ends with its `ENDPOINT`, and add a name to `settings.Stack` and a line to the table.
"""

from collections.abc import Mapping

from verifier_service.api.compat import (
    code_judge,
    nemo_gym,
    nemo_skills,
    open_instruct,
    open_r1,
    openrlhf,
    piston,
    sandbox_fusion,
    slime,
)
from verifier_service.api.compat.endpoint import Endpoint
from verifier_service.settings import Settings, Stack

ENDPOINTS: Mapping[Stack, Endpoint] = {
    Stack.NEMO_GYM: nemo_gym.ENDPOINT,
    Stack.SANDBOX_FUSION: sandbox_fusion.ENDPOINT,
    Stack.OPENRLHF: openrlhf.ENDPOINT,
    Stack.SLIME: slime.ENDPOINT,
    Stack.OPEN_INSTRUCT: open_instruct.ENDPOINT,
    Stack.PISTON: piston.ENDPOINT,
    Stack.OPEN_R1: open_r1.ENDPOINT,
    Stack.CODE_JUDGE: code_judge.ENDPOINT,
    Stack.NEMO_SKILLS: nemo_skills.ENDPOINT,
}


def switched_on(settings: Settings) -> list[Endpoint]:
    """Return the endpoints that the settings enable."""
    return [endpoint for stack, endpoint in ENDPOINTS.items() if stack in settings.compat]
