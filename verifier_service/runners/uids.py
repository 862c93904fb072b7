"""Spans of uids for boxes that run side by side."""

import secrets

from sandboxes.protocol.constants import FIRST_UID_SLOT, UID_SLOTS, UID_SPAN


class UidSlots:
    """Hands out spans that no other box of this service has, and hardly one of another service: the kernel counts the
    processes of a uid over all containers."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """Return the first uid of a free span."""
        while (uid_base := (FIRST_UID_SLOT + secrets.randbelow(UID_SLOTS)) * UID_SPAN) in self._taken:
            pass
        self._taken.add(uid_base)
        return uid_base

    def give_back(self, uid_base: int) -> None:
        """Take a span back; its box is gone."""
        self._taken.discard(uid_base)
