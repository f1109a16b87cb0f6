"""Run the fault server as a process of its own, and make sure that it ends."""

import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from tests.servers.plan import Plan

__all__ = ["FaultServer"]

_ROOT: Final = Path(__file__).parents[2]


class FaultServer:
    """A server that fails on purpose; a context, at whose end its process is gone.

    Parameters
    ----------
    changes
        Fields of the `Plan`.

    Examples
    --------
    >>> with FaultServer(script=("500",)) as server:
    ...     server.url.startswith("http://127.0.0.1:"), server.ledger()["requests"]
    (True, 0)
    """

    def __init__(self, **changes: Any) -> None:
        self._plan = Plan().changed(changes)
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    @property
    def base_url(self) -> str:
        """What an OpenAI client is given."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> "FaultServer":
        """Start serving, on a port that is free."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.fault_server", "--with-parent", "--plan", self._plan.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, f"the fault server ended with exit code {self._process.wait()}"
        return self

    def stop(self) -> None:
        """Kill the server, if it runs."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> "FaultServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ledger(self, *, by: str | None = None) -> dict[str, Any]:
        """Return the ledger's counts, in all (`Ledger.summary`) or by topic, digest or mark (`Ledger.grouped`)."""
        told: dict[str, Any] = self._ask("GET", f"/control?by={by}" if by else "/control")
        return told

    def entries(self) -> list[dict[str, Any]]:
        """Return every request that came (`Entry`), in the order in which they came."""
        told: list[dict[str, Any]] = self._ask("GET", "/control?entries=1")
        return told

    def change(self, *, reset: bool = False, mark: bool = False, **changes: Any) -> None:
        """Change fields of the plan, open a new ledger, or count what comes from now on under another mark."""
        self._ask("POST", "/control", {"plan": changes, "reset": reset, "mark": mark})

    def _ask(self, method: str, path: str, wish: object = None) -> Any:
        place = urlsplit(self.url)
        connection = HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.request(method, path, body=json.dumps(wish) if wish else None)
            response = connection.getresponse()
            told = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(told["error"])
        return told
