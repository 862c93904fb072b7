"""Memory for request bodies: there is an upper limit, and some of it is always left for the next client."""

import pytest

from verifier_service.access.clients import Client
from verifier_service.errors import Overloaded
from verifier_service.intake.bodies import MB, Bodies, Held
from verifier_service.observability.metrics import Metrics
from verifier_service.settings import Settings


def bodies(most: int = 256) -> tuple[Bodies, Metrics]:
    metrics = Metrics()
    return Bodies(Settings(max_bodies_mb=most), metrics), metrics


def taken(room: Bodies, client: str, size: int) -> list[Held]:
    """Take as many bodies of this many MiB as are admitted."""
    found = []
    while len(found) < 10_000:
        held = room.hold(Client(client))
        try:
            held.grow_to(size * MB)
        except Overloaded:
            return found
        found.append(held)
    return found


def test_a_client_gets_as_much_as_it_leaves_free_and_the_next_one_half_of_that() -> None:
    room, metrics = bodies()
    held = {name: taken(room, name, 1) for name in "abcd"}
    assert {name: len(found) for name, found in held.items()} == {"a": 128, "b": 64, "c": 32, "d": 16}
    assert metrics.registry.get_sample_value("verifier_body_bytes") == 240 * MB
    for one in held.pop("a"):
        one.give_back()
    assert len(taken(room, "d", 1)) == 64, "what is given back is shared anew"
    for found in held.values():
        for one in found:
            one.give_back()
            one.give_back()


def test_one_alone_is_taken_whatever_its_size() -> None:
    room, _ = bodies(8)
    assert len(taken(room, "a", 64)) == 1
    with pytest.raises(Overloaded, match=r"bodies of 64 MiB are in flight, 0 of them of this client") as raised:
        room.hold(Client("b")).grow_to(1 * MB)
    assert raised.value.retry_after_s >= 1


def test_what_grows_is_counted_once_and_small_ones_not_at_all() -> None:
    room, metrics = bodies()
    held = room.hold(Client("a"))
    for size in (10, 64 * 1024, 3 * MB, 3 * MB, 2 * MB, 5 * MB):
        held.grow_to(size)
    assert metrics.registry.get_sample_value("verifier_body_bytes") == 5 * MB
    held.give_back()
    held.grow_to(64 * 1024)
    assert metrics.registry.get_sample_value("verifier_body_bytes") == 0
