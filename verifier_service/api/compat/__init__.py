"""The endpoints of other stacks: each module here speaks one stack's own format, over judging or over running.

To add one: a module that ends with its `ENDPOINT`, a name in `settings.Stack`, and a line in the table.
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
    """Return those that the settings have."""
    return [endpoint for stack, endpoint in ENDPOINTS.items() if stack in settings.compat]
