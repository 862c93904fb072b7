"""The judge's version: the release and a digest of the sources, which distinguishes states of the same release."""

import hashlib
from functools import cache, lru_cache
from pathlib import Path

from verifier_service import __version__
from verifier_service.schema import MadeBy

SHOWN = 12
"""How many hexadecimal digits of a digest are shown: as many as in `docker images`."""
_SHA256 = "sha256:"


@cache
def version() -> str:
    """Return the release with a digest of the sources that affect verdicts, such as `0.1.0+3f0c9a1b2c4d`."""
    top = Path(__file__).parents[1]
    sources = sorted(path for kind in ("*.py", "*.toml") for path in top.rglob(kind))
    content = b"\0".join(f"{path.relative_to(top)}\0".encode() + path.read_bytes() for path in sources)
    return f"{__version__}+{hashlib.sha256(content).hexdigest()[:SHOWN]}"


@lru_cache(maxsize=256)
def made_by(image: str | None = None) -> MadeBy:
    """Return the `made_by` of results: this judge and the sandbox image; the same object each time."""
    if image and image.startswith(_SHA256):
        image = image[: len(_SHA256) + SHOWN]
    return MadeBy(verifier=version(), image=image or None)
