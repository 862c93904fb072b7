"""The secret from which the points are drawn at which expressions are compared. What is judged must not know it.

It is the setting `VERIFIER_MATH_SECRET`, or a random one kept in the state folder, so that verdicts stay the same from
run to run. Services whose verdicts must always agree share one.
"""

import contextlib
import os
import secrets

from verifier_service.settings import Settings


def math_secret(settings: Settings) -> str:
    """Return this service's secret. If the state folder cannot hold one, it lasts until the service ends."""
    if settings.math_secret is not None:
        return settings.math_secret.get_secret_value()
    path = settings.state_dir / "math-secret"
    drawn = secrets.token_hex(32)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL: of two services that start at once, one writes the file and both read it.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(drawn)
    with contextlib.suppress(OSError):
        return path.read_text("ascii") or drawn
    return drawn
