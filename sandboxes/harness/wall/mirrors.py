"""Containers that tests and submission share: one object at each end with a common number, synchronized by messages.

Before an end sends a message, it determines which of its shared containers have changed since the previous one, by the
identity of their elements, and includes the new contents. The other end updates its own object in place. A container
that is unreachable at one end is forgotten at both. So a test that calls a function a thousand times does not share
more containers than it keeps. If there are more than `MAX_KEPT`, all of them become independent copies.
"""

import builtins
import sys
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterable
from operator import is_
from typing import Any

from sandboxes.protocol.plain import Malformed, Row

# This module's own copy of the builtins: a submission that patches `len` must not patch it here (see `protocol.plain`).
__builtins__ = dict(vars(builtins))

MAX_KEPT = 2_000
MAX_NEW = 10_000
"""The maximum number of new containers in a message. Further ones cross as copies."""

_MAPPINGS = (dict, OrderedDict, defaultdict, Counter)
_SEQUENCES = (list, deque)
MUTABLE = frozenset({*_MAPPINGS, *_SEQUENCES, set, bytearray, array})
"""The exact types that are shared. Classes of the submission that extend one are handled differently."""


def _flat(value: Any) -> list[Any]:
    """Return a container's elements as a list; for a mapping, alternating keys and values."""
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, (bytearray, array)):
        return [bytes(value)]
    return list(value)


def _fill(value: Any, content: tuple[Any, ...]) -> None:
    """Replace a container's contents in place."""
    kind = type(value)
    if isinstance(value, dict):
        pairs = dict(zip(content[0::2], content[1::2], strict=True))
        value.clear()
        dict.update(value, pairs) if kind is not OrderedDict else value.update(pairs)
    elif kind is set:
        found = set(content)
        value.clear()
        value.update(found)
    elif kind is bytearray:
        value[:] = content[0]
    elif kind is array:
        del value[:]
        value.frombytes(content[0])
    else:
        value.clear()
        value.extend(content)


class _Place:
    """Represents a shared container in a snapshot, so that the snapshot does not keep it alive."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class _Mirror:
    __slots__ = ("has_places", "snapshot", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.snapshot: list[Any] = []
        self.has_places = False


class Mirrors:
    """One end's shared containers. The tests' end assigns even numbers, and the submission's end odd ones."""

    def __init__(self, first: int) -> None:
        self._mine = first % 2
        self._next = first
        self._live: dict[int, _Mirror] = {}
        self._numbers: dict[int, int] = {}
        self._written: list[int] = []  # new containers in the outgoing message
        self._read: list[int] = []  # new containers in the incoming message
        self._gone: list[int] = []  # forgotten here, but the other end does not know yet

    # For the encoder and the decoder, see `plain.Shared`

    def restart(self) -> None:
        """See `plain.Shared`."""
        for number in self._written:
            self._drop(number)
        self._written.clear()

    def number_of(self, value: Any) -> tuple[int, bool] | None:
        """See `plain.Shared`."""
        number = self._numbers.get(id(value))
        if number is not None:
            return number, False
        if len(self._written) >= MAX_NEW:
            return None
        number = self._next
        self._next += 2
        self._take(number, value)
        self._written.append(number)
        return number, True

    def known(self, number: int) -> Any:
        """See `plain.Shared`."""
        try:
            return self._live[number].value
        except KeyError:
            raise Malformed("a container that is not shared") from None

    def add(self, number: int, value: Any) -> None:
        """See `plain.Shared`."""
        if number < 0 or number % 2 == self._mine or number in self._live:
            raise Malformed("a number that no new container can have")
        self._take(number, value)
        self._read.append(number)

    def _take(self, number: int, value: Any) -> None:
        self._live[number] = _Mirror(value)
        self._numbers[id(value)] = number

    def _drop(self, number: int) -> None:
        mirror = self._live.pop(number, None)
        if mirror is not None:
            del self._numbers[id(mirror.value)]

    # Before and after a message

    def unreachable(self) -> list[int]:
        """Forget containers that only this table refers to, and all of them if there are too many.

        Returns:
            The numbers that the other end has to forget.
        """
        gone, live = self._gone, self._live
        while True:
            more = [number for number in live if sys.getrefcount(live[number].value) <= _ONLY_HERE]
            for number in more:
                self._drop(number)  # this can make its elements unreachable as well
            gone += more
            if not more:
                break
        if (
            len(live) > MAX_KEPT
        ):  # all of them: after forgetting only a few, each message would send their owners' contents again
            gone += live
            for number in list(live):
                self._drop(number)
        return gone

    def changes(self) -> Row:
        """Return [number, contents] of each container that has changed since the last message."""
        found = Row()
        for number, mirror in self._live.items():
            content = _flat(mirror.value)
            if not self._is_same(mirror, content):
                found.append(Row([number, tuple(content)]))
        return found

    def _is_same(self, mirror: _Mirror, content: list[Any]) -> bool:
        before = mirror.snapshot
        if len(content) != len(before):
            return False
        if type(mirror.value) is bytearray or type(mirror.value) is array:
            return content == before
        if not mirror.has_places:
            return all(map(is_, content, before))
        return all(map(self._is_still, content, before))

    def _is_still(self, now: Any, before: Any) -> bool:
        if type(before) is _Place:
            mirror = self._live.get(before.number)
            return mirror is not None and mirror.value is now
        return now is before

    def went_out(self, changes: Iterable[Any]) -> None:
        """Record that the other end now has the sent contents."""
        self._remember([*self._written, *(number for number, _ in changes)])
        self._written.clear()
        self._gone = []

    def _remember(self, changed: Iterable[int]) -> None:
        for number in changed:
            mirror = self._live.get(number)
            if mirror is not None:
                self._snap(mirror)

    def _snap(self, mirror: _Mirror) -> None:
        content = _flat(mirror.value)
        mirror.has_places = not MUTABLE.isdisjoint(map(type, content))
        if mirror.has_places:
            numbers = self._numbers
            for place, item in enumerate(content):
                if type(item) in MUTABLE and (number := numbers.get(id(item))) is not None:
                    content[place] = _Place(number)
        mirror.snapshot = content

    def came_in(self, changes: Any, forgotten: Any) -> None:
        """Apply the other end's changes to the containers here.

        Raises:
            Malformed: The data is not valid.
        """
        changed: list[int] = []
        for change in _list(changes):
            if len(_list(change)) != 2:
                raise Malformed("not a change")
            number, content = change
            if type(content) is not tuple or type(number) is not int:
                raise Malformed("not a change")
            try:
                _fill(self.known(number), content)
            except (TypeError, ValueError, IndexError) as problem:
                raise Malformed(f"an impossible change: {problem}") from None
            changed.append(number)
        self._remember([*self._read, *changed])
        self._read.clear()
        for number in _list(forgotten):
            self._drop(number if type(number) is int else -1)

    def give_up_changed(self) -> None:
        """Stop sharing containers whose new contents cannot cross."""
        self.restart()
        for number, mirror in list(self._live.items()):
            if not self._is_same(mirror, _flat(mirror.value)):
                self._drop(number)
                self._gone.append(number)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Malformed("a list expected")
    return value


def _references_of_the_table() -> int:
    """Return the reference count that `unreachable` sees for a container that only the table refers to."""
    live = {0: _Mirror([])}
    (count,) = [sys.getrefcount(live[number].value) for number in live]
    return count


_ONLY_HERE = _references_of_the_table()
