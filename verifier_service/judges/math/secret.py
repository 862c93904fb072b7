"""What the points are drawn by at which expressions are compared: nobody who is judged may know it.

The setting `VERIFIER_MATH_SECRET`, else a random one that is kept in the state folder, so that verdicts stay the same
from run to run. Services that must agree in every verdict share one.
"""

import contextlib
import os
import secrets

from verifier_service.settings import Settings


def math_secret(settings: Settings) -> str:
    """Return the secret of this service; where the state folder cannot hold one, it lasts until the service ends."""
    if settings.math_secret is not None:
        return settings.math_secret.get_secret_value()
    path = settings.state_dir / "math-secret"
    drawn = secrets.token_hex(32)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(drawn)
    with contextlib.suppress(OSError):
        return path.read_text("ascii") or drawn
    return drawn
