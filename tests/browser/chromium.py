"""A headless Chromium, spoken to over two pipes: the DevTools protocol with nothing but the standard library."""

import base64
import io
import json
import os
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

HOME = Path(sys.prefix) / "browser"
PATIENCE = 60.0
# Chromium reads commands from its descriptor 3 and answers on 4.
START = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(given), fcntl.F_DUPFD, 10) for given in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One page in a browser."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._calls = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._calls += 1
        number = self._calls
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        answer = self._await(lambda message: message.get("id") == number)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def _await(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while True:
            while b"\0" not in self._buffer:
                ready, _, _ = select.select([self._reading], [], [], max(0.0, until - time.monotonic()))
                assert ready, f"Chromium said nothing for {PATIENCE} s"
                chunk = os.read(self._reading, 1 << 20)
                assert chunk, "Chromium ended"
                self._buffer += chunk
            line, self._buffer = self._buffer.split(b"\0", 1)
            message = json.loads(line)
            if "method" in message:
                self.events.append(message)
            if wanted(message):
                return dict(message)

    def size(self, wide: int, high: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)

    def dark(self, is_dark: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._await(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript, which the page's own policy does not hold back."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def colours(self) -> Counter[bytes]:
        """Count the colours of what is seen."""
        shot = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        with Image.open(io.BytesIO(shot)) as picture:
            pixels = picture.convert("RGB").tobytes()
        return Counter(pixels[at : at + 3] for at in range(0, len(pixels), 3))

    def happened(self, *methods: str) -> list[dict[str, Any]]:
        """List what was reported since the page was opened."""
        return [event["params"] for event in self.events if event["method"] in methods]


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """Start Chromium with a profile of its own, and end it."""
    binary = HOME / "chromium"
    assert binary.exists(), f"{binary} is missing; type: make test-browser"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(HOME / "lib"), "FONTCONFIG_FILE": str(HOME / "fonts.conf")}
    theirs, writing = os.pipe()
    reading, theirs_too = os.pipe()
    # A sandbox needs rights that a container seldom has; the pages are our own.
    options = ["--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage"]
    options += ["--hide-scrollbars", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    with (profile.parent / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs), str(theirs_too), str(binary), *options],
            pass_fds=(theirs, theirs_too),
            env=environment,
            stderr=log,
            stdout=log,
        )
    os.close(theirs)
    os.close(theirs_too)
    try:
        tab = Tab(reading, writing)
        yield tab
        tab.call("Browser.close")
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)
