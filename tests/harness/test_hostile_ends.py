"""Whatever one end of the wall sends, it can only harm its own run: the tests fail, and nothing else happens."""

import contextlib
import os
import socket
import threading
import types
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandboxes.harness.wall.evidence import Evidence
from sandboxes.harness.wall.link import Link, SubmissionLost
from sandboxes.harness.wall.server import Server
from sandboxes.protocol import plain
from sandboxes.protocol.child import LENGTH
from sandboxes.protocol.plain import Row

SCALARS = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=4) | st.sampled_from(
    ["ok", "raised", "stop", "ask", "call", "get", "set", "special", "next", "copy", "run", "__eq__", "int", "deque"]
)  # fmt: skip
HANDLES = st.sampled_from(["o", "p", "f", "c", "b", "s", "e", "w", "x", "t", "n", "m", "k", "a", "ec"])


def _tagged(inner: Any) -> Any:
    tags = st.sampled_from(["$h", "$m", "$d", "$t", "$s", "$i", "$n", "$deep", "$D", "$b", "$q"])
    token = st.builds(lambda name, rest: {"$h": [name, *rest]}, HANDLES, st.lists(inner, max_size=5))
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.builds(lambda tag, body: {tag: body}, tags, inner)
        | token
    )


JSON = st.recursive(SCALARS, _tagged, max_leaves=14)
ANSWERS = st.builds(lambda n, status, value, extra: [[n, status, value, extra]], st.integers(0, 3),
                    st.sampled_from(["ok", "raised", "stop", "ask"]), JSON, JSON)  # fmt: skip
CHANGES = st.builds(lambda changes, gone, rest: [changes, gone, *rest], JSON, JSON, ANSWERS)
BYTES = (JSON | ANSWERS | CHANGES).map(lambda tree: plain._dumps(tree).encode("utf-8", "replace")) | st.binary(
    max_size=30
)
QUIET = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _send_all(sock: socket.socket, messages: list[bytes]) -> None:
    try:
        for data in messages:
            sock.sendall(LENGTH.pack(len(data)) + data)
    except OSError:
        pass
    finally:
        sock.shutdown(socket.SHUT_WR)


@QUIET
@given(st.lists(BYTES, min_size=1, max_size=6))
def test_a_submission_that_sends_anything_only_fails_the_tests(messages: list[bytes]) -> None:
    here, there = socket.socketpair()
    with here, there:
        sender = threading.Thread(target=_send_all, args=(there, messages))
        sender.start()
        link = Link(here, Evidence({"tests.py": "import random\nrandom.seed(1)\nsys.argv\npatch\n"}))
        exported = [0]
        with contextlib.suppress(Exception, SubmissionLost, SystemExit, KeyboardInterrupt):
            for operation in ("hello", "get", "call"):
                link.request(operation, Row([exported]) if operation == "call" else "f")
        here.shutdown(socket.SHUT_RDWR)
        sender.join()
    assert os.getpid() == PID


@QUIET
@given(st.lists(BYTES, min_size=1, max_size=6))
def test_a_tester_that_sends_anything_only_ends_the_conversation(messages: list[bytes]) -> None:
    here, there = socket.socketpair()
    with here, there:
        sender = threading.Thread(target=_send_all, args=(there, messages))
        drain = threading.Thread(target=_drain, args=(there,))
        sender.start()
        drain.start()
        with contextlib.suppress(Exception):
            Server(here, types.ModuleType("solution")).serve()
        here.shutdown(socket.SHUT_RDWR)
        sender.join()
        drain.join()
    assert os.getpid() == PID


def _drain(sock: socket.socket) -> None:
    while True:
        try:
            if not sock.recv(1 << 16):
                return
        except OSError:
            return


PID = os.getpid()
