"""A server that fails on purpose, shared by the tests of what speaks to it."""

import json
from collections.abc import Iterator

import pytest

from tests.servers.plan import Plan
from tests.servers.running import FaultServer


@pytest.fixture(scope="session")
def running_server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture
def server(running_server: FaultServer) -> FaultServer:
    """A fault server without faults and with an empty ledger; change its plan as needed."""
    running_server.change(reset=True, **json.loads(Plan().to_json()))
    return running_server
