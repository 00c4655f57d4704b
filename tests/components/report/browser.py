"""A real browser over a page: chromium without a window, driven by its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from websockets.sync.client import connect

START_SECONDS = 60.0
"""How long it may take to start or to answer: a busy machine is no reason to fail."""


class Browser:
    """One page of a browser of its own, whose profile is in ``directory``.

    Args:
        program: chromium.
        directory: an empty one.
    """

    def __init__(self, program: str, directory: Path) -> None:
        self._errors: list[str] = []
        self._session: str | None = None
        self._port = directory / "DevToolsActivePort"
        self._numbers = itertools.count(1)
        self._process = subprocess.Popen(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--hide-scrollbars", "--remote-debugging-port=0",
                f"--user-data-dir={directory}", "about:blank",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            self._socket = connect(self._address(), max_size=None, open_timeout=START_SECONDS)
            targets = self._call("Target.getTargets")["targetInfos"]
            page = next(each for each in targets if each["type"] == "page")
            flat = {"targetId": page["targetId"], "flatten": True}
            self._session = self._call("Target.attachToTarget", **flat)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self._call(f"{domain}.enable")
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._end()

    def show(
        self, page: Path, width: int, scheme: Literal["light", "dark"] = "light", height: int = 900
    ) -> list[str]:
        """Opens a file at a width in CSS pixels; returns what the console says of faults."""
        self._errors.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[feature])
        found = self._call("Page.navigate", url=page.as_uri())
        assert "errorText" not in found, found["errorText"]
        self._wait_for("Page.loadEventFired")
        return list(self._errors)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    def pdf(self) -> bytes:
        """The page as it is printed, on A4."""
        size = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
        return base64.b64decode(self._call("Page.printToPDF", **size)["data"])

    def picture(self) -> bytes:
        """A PNG of the whole page."""
        found = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    def _address(self) -> str:
        """Chromium writes the port that it chose, and the path of its socket, to its profile."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            lines = self._port.read_text().split() if self._port.is_file() else []
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            time.sleep(0.05)
        raise RuntimeError(f"chromium did not listen; its exit status is {self._process.poll()}")

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: dict[str, Any] = answer["result"]
                return result

    def _wait_for(self, event: str) -> None:
        while self._receive().get("method") != event:
            pass

    def _receive(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._socket.recv(timeout=START_SECONDS))
        method, parameters = answer.get("method"), answer.get("params", {})
        if method == "Runtime.exceptionThrown":
            self._errors.append(str(parameters["exceptionDetails"]["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("warning", "error"):
            self._errors.append(str(parameters["entry"]["text"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("warning", "error"):
            self._errors.append(str(parameters["args"]))
        elif method == "Network.requestWillBeSent":
            address = str(parameters["request"]["url"])
            if not address.startswith(("file:", "data:", "about:")):
                self._errors.append(f"it fetched {address}")
        return answer

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
