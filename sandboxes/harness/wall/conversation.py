"""Both ends of the socket. A message is a length (4 bytes, big endian) followed by one value of `protocol.plain`.

The value is `[message]`, or `[changes, forgotten, message]` if shared containers have changed or were released.
"""

import builtins
import socket
from collections.abc import Callable
from typing import Any

from sandboxes.harness.wall.extras import from_extra
from sandboxes.harness.wall.mirrors import MUTABLE, Mirrors
from sandboxes.protocol import plain
from sandboxes.protocol.child import LENGTH
from sandboxes.protocol.plain import Malformed, Row

# This module's own copy of the builtins: a submission that patches `len` must not patch it here (see `protocol.plain`).
__builtins__ = dict(vars(builtins))

CHUNK_BYTES = 1 << 20


class HungUp(Exception):
    """The other end is gone."""


class TooLong(Exception):
    """The other end announced a message that is longer than allowed."""


class Conversation:
    """One end. `export` turns objects that are not plain into handles; `resolve` turns handles into objects."""

    def __init__(
        self,
        sock: socket.socket,
        mirrors: Mirrors,
        export: Callable[[Any], Any],
        resolve: Callable[[Any], Any],
        max_bytes: int = plain.MAX_BYTES,
    ) -> None:
        self._socket = sock
        self._mirrors = mirrors
        self._export = export
        self._resolve = resolve
        self._max_bytes = max_bytes
        self._reading = 0  # messages being read: reading one can require exchanging others
        self._forgotten: list[Any] = []

    def send(self, message: Row) -> None:
        """Send one message, together with changes of shared containers.

        Raises:
            plain.NotPlain: Something in it cannot cross. Nothing was sent.
            HungUp: The other end is gone.
        """
        mirrors = self._mirrors
        changes = mirrors.changes()
        gone = [] if self._reading else mirrors.unreachable()  # the rest of that message can refer to them
        whole = Row([changes, Row(gone), message]) if gone or changes else Row([message])
        try:
            data = plain.encode(whole, handle=self._export, shared=mirrors)
        except plain.NotPlain:
            mirrors.give_up_changed()
            raise
        mirrors.went_out(changes)
        try:
            self._socket.sendall(LENGTH.pack(len(data)) + data)
        except OSError:
            raise HungUp from None

    def receive(self) -> Any:
        """Return the next message.

        Raises:
            HungUp: The other end is gone.
            TooLong: The message is longer than `max_bytes`.
            plain.Malformed: It is not a valid message.
        """
        (length,) = LENGTH.unpack(self._exactly(LENGTH.size))
        if length > self._max_bytes:
            raise TooLong(f"{length} bytes, more than {self._max_bytes}")
        data = self._exactly(length)
        self._reading += 1
        try:
            whole = plain.decode(data, resolve=self._resolve, max_bytes=self._max_bytes, shared=self._mirrors)
        finally:
            self._reading -= 1
        if type(whole) is not list or len(whole) not in (1, 3):
            raise Malformed("not a message")
        changes, gone = whole[:2] if len(whole) == 3 else ([], [])
        if type(gone) is not list:
            raise Malformed("a list expected")
        self._forgotten += gone
        forgotten = []
        if not self._reading:
            forgotten, self._forgotten = self._forgotten, []
        self._mirrors.came_in(changes, forgotten)
        return whole[-1]

    def shared(self, value: Any, form: list[Any]) -> list[Any]:
        """Return the handle of a value of `extras` with the given `form`, and with a number if it is mutable."""
        if type(value) not in MUTABLE:
            return form
        found = self._mirrors.number_of(value)
        if found is None:
            return form
        number, is_new = found
        return ["m", number, *form[1:]] if is_new else ["m", number]

    def shared_here(self, number: Any, *form: Any) -> Any:
        """Return the value of such a handle. See `from_extra` for its errors."""
        if not form:
            return self._mirrors.known(number)
        value = from_extra(*form)
        if type(value) not in MUTABLE or type(number) is not int:
            raise Malformed("this cannot be shared")
        self._mirrors.add(number, value)
        return value

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            try:
                chunk = self._socket.recv(min(size - len(parts), CHUNK_BYTES))
            except OSError:
                chunk = b""
            if not chunk:
                raise HungUp
            parts += chunk
        return bytes(parts)
