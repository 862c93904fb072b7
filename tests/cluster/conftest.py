"""A cluster of several raylets, for the tests of one module."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cluster.local import LocalCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["LocalCluster"]:
    """A head and two nodes that judge code with one box each."""
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from tests.cluster.local import LocalCluster

    settings = {
        "VERIFIER_BOXES": "1",
        "VERIFIER_MAX_QUEUED": "200",
        "VERIFIER_QUEUE_WAIT_S": "0.2",
    }
    made = LocalCluster(tmp_path_factory.mktemp("ray"), 2, settings)
    try:
        yield made
    finally:
        made.close()
