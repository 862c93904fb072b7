"""Ranges of uids for boxes that run at the same time."""

import secrets

from sandboxes.protocol.constants import FIRST_UID_SLOT, UID_SLOTS, UID_SPAN


class UidSlots:
    """Hands out uid ranges, one per box.

    Boxes must not share uids, because the kernel counts a uid's processes across all containers. Within the service
    ranges are unique; a collision with another service on the machine is unlikely, because they are chosen at random.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        """Reserve a range; return its first uid."""
        while (uid_base := (FIRST_UID_SLOT + secrets.randbelow(UID_SLOTS)) * UID_SPAN) in self._taken:
            pass
        self._taken.add(uid_base)
        return uid_base

    def give_back(self, uid_base: int) -> None:
        """Release the range of a destroyed box."""
        self._taken.discard(uid_base)
