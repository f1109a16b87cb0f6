"""The server of a real language model, started once for all tests."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.llm.serve import KEY, MODEL

_PYTHON = Path(sys.prefix) / "llm" / "bin" / "python"


@dataclass(frozen=True, kw_only=True)
class SmolServer:
    """Where the server is, and what it tells of itself."""

    url: str
    key: str = KEY
    model: str = MODEL

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def tokens(self) -> tuple[int, int]:
        """Return what it says that it has read in all, out of its cache or not, and written."""
        read = self.metric("prompt_tokens_total") + self.metric("prompt_tokens_cached_total")
        return read, self.metric("tokens_predicted_total")

    def metric(self, name: str) -> int:
        """Return one of llama.cpp's own counters, as `tokens_predicted_total`."""
        request = Request(f"{self.url}/metrics", headers={"authorization": f"Bearer {self.key}"})
        with urlopen(request, timeout=10) as response:
            lines = response.read().decode().splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith(f"llamacpp:{name} ")]
        return int(float(value))


@pytest.fixture(scope="session")
def smol() -> Iterator[SmolServer]:
    """SmolLM2-135M on one thread of a process of its own."""
    if not _PYTHON.exists():
        pytest.fail(f"{_PYTHON} is missing; type: make test-llm")
    command = [str(_PYTHON), str(Path(__file__).parent / "serve.py"), "--with-parent"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, f"the server ended with exit code {process.wait()}"
        yield SmolServer(url=url)
    finally:
        process.kill()
        process.communicate()
