"""A headless Chromium, driven through chromedriver's own protocol: pages as a person sees them, at any width.

``scripts/test --all`` installs both where they are missing; the tests that need them are marked ``browser``.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
_PATIENCE = 30.0

OVERLAPS = """
const found = [];
const shown = [...document.querySelectorAll(arguments[0])].filter(e => e.getClientRects().length);
const boxes = shown.map(e => e.getBoundingClientRect());
for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
  if (shown[i].contains(shown[j]) || shown[j].contains(shown[i])) continue;
  const a = boxes[i], b = boxes[j];
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (wide > 1 && high > 1) found.push(shown[i].textContent.trim() + " | " + shown[j].textContent.trim());
}
return found;
"""
"""Pairs of elements of a CSS selector whose boxes overlap by more than a pixel both ways."""

OUTSIDE = """
const width = document.documentElement.clientWidth;
const wide = [...document.body.querySelectorAll("*")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > width + 1 || box.left < -1);
});
return wide.map(e => e.tagName + " " + e.textContent.trim().slice(0, 40));
"""
"""Elements that stick out of the page to the left or right."""

LOADED = "return performance.getEntriesByType('resource').map(e => e.name);"
"""What the page has loaded beside itself."""


class Browser:
    """A browser session."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        arguments = {"goog:chromeOptions": {"args": list(FLAGS)}}
        answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": arguments}})
        self._session = f"/session/{answer['sessionId']}"

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        """Open a page in a viewport of `width` pixels, however narrow."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
        self._ask("POST", f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and return what it returns."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        """Give a command of Chromium's DevTools protocol."""
        return self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, path: Path) -> None:
        """Save a picture of the whole page."""
        shot = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path: Path) -> None:
        """Print the page."""
        printed = self.devtools("Page.printToPDF", {"printBackground": True})
        path.write_bytes(base64.b64decode(printed["data"]))

    def close(self) -> None:
        """End the session."""
        self._ask("DELETE", self._session, None)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(
            self._base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from error


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start a browser, and end it with everything it started when the block is left."""
    program = shutil.which("chromedriver")
    if program is None:
        raise RuntimeError("chromedriver is missing; scripts/test --all installs it: apt-get install chromium-driver")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        tempfile.TemporaryDirectory() as home,
        subprocess.Popen(
            [program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home
        ) as process,
    ):
        try:
            _wait_for(port)
            browser = Browser(port)
            yield browser
            with suppress(OSError, RuntimeError):
                browser.close()
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
