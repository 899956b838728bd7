"""Debian's chromium, driven over its debugging protocol: pages that a test opens, clicks in, reads and pictures."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PATIENCE_SECONDS = 30.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--disable-breakpad",
    "--mute-audio",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)
# Finds what a selector names, in shadow roots too; of several the first that can be seen.
FIND = """
const every = (selector, root = document) => [
  ...root.querySelectorAll(selector),
  ...[...root.querySelectorAll("*")].filter((one) => one.shadowRoot).flatMap((one) => every(selector, one.shadowRoot)),
];
const isSeen = (one) => one.getClientRects().length > 0 && getComputedStyle(one).visibility !== "hidden";
const find = (selector, text = "") =>
  every(selector).find((one) => isSeen(one) && one.textContent.includes(text)) ?? null;
"""
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowDown": 40, "ArrowUp": 38, " ": 32}


@contextlib.contextmanager
def running_chromium() -> Iterator[str]:
    """The address of a chromium that runs within the block; skips where there is none."""
    program = os.environ.get("CRMD_TEST_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    folder = Path(tempfile.mkdtemp(prefix="crmd-chromium-"))
    command = [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    home = {**os.environ, "HOME": str(folder)}
    process = subprocess.Popen(command, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _address(process, folder / "DevToolsActivePort")
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        lines = file.read_text("utf-8").split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.02)
    pytest.fail(f"chromium does not start (exit code {process.poll()})")


@dataclass
class Browser:
    """A browser's own window on the world: nothing stored is shared with another test."""

    socket: aiohttp.ClientWebSocketResponse
    context_id: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def send(self, method: str, session_id: str | None = None, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """One command of the protocol and its answer."""
        number = next(self._ids)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self.socket.send_json(message if session_id is None else {**message, "sessionId": session_id})
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._waiting[number]

    async def read(self) -> None:
        """Hand out what the browser says, until it ends."""
        async for message in self.socket:
            told = json.loads(message.data)
            if "id" not in told:
                if (page := self.pages.get(told.get("sessionId", ""))) is not None:
                    page.hear(told["method"], told["params"])
                continue
            future = self._waiting.pop(told["id"])
            if future.done():
                continue
            if "error" in told:
                future.set_exception(RuntimeError(told["error"]["message"]))
            else:
                future.set_result(told["result"])

    async def page(self, url: str = "", *, width: int = 1280, height: int = 800, is_dark: bool = False) -> Page:
        """A tab, with storage in common with the other tabs of this test."""
        target = await self.send("Target.createTarget", url="about:blank", browserContextId=self.context_id)
        session = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = self.pages[session["sessionId"]] = Page(self, session["sessionId"], target["targetId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.send(f"{domain}.enable")
        await page.send("Emulation.setFocusEmulationEnabled", enabled=True)
        await page.resize(width, height)
        await page.colour(is_dark=is_dark)
        if url:
            await page.open(url)
        return page


@dataclass
class Page:
    """A tab.

    Attributes:
        browser: That it is in.
        session_id: Of the protocol.
        target_id: Of the protocol.
        errors: What the console said in anger, thrown errors, refused and broken loads.
        hosts: Where requests went, as `host:port`.
        requests: `METHOD url`, in order.
    """

    browser: Browser
    session_id: str
    target_id: str
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
        """One command of the protocol for this tab."""
        return await self.browser.send(method, self.session_id, **params)

    def hear(self, method: str, told: dict[str, Any]) -> None:
        """Note what happens in the tab."""
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                request = told["request"]
                self.requests.append(f"{request['method']} {request['url']}")
                if not request["url"].startswith(("data:", "blob:")):
                    self.hosts.add(urlsplit(request["url"]).netloc)
            case "Runtime.consoleAPICalled" if told["type"] in {"error", "warning", "assert"}:
                self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in told["args"]))
            case "Runtime.exceptionThrown":
                details = told["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if told["entry"]["level"] in {"error", "warning"}:
                self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}".strip())
            case _:
                pass

    async def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self._loaded.clear()
        told = await self.send("Page.navigate", url=url)
        assert "errorText" not in told, f"{url}: {told['errorText']}"
        if "loaderId" in told:  # otherwise only what follows the # has changed
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._loaded.wait()

    async def reload(self) -> None:
        """As a user presses F5."""
        self._loaded.clear()
        await self.send("Page.reload")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._loaded.wait()

    async def close(self) -> None:
        """Close the tab."""
        await self.browser.send("Target.closeTarget", targetId=self.target_id)

    async def show(self) -> None:
        """Bring the tab to the front; the others are out of sight then."""
        await self.send("Page.bringToFront")

    async def resize(self, width: int, height: int) -> None:
        """The size of the window in CSS pixels; below 500 it is a phone."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )

    async def colour(self, *, is_dark: bool, is_still: bool = True) -> None:
        """What the user prefers: dark or light, and whether things may move."""
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if is_still else "no-preference"},
        ]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def offline(self, *, is_offline: bool) -> None:
        """Cut the tab off the network, or mend it."""
        await self.send(
            "Network.emulateNetworkConditions",
            offline=is_offline,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    async def run(self, script: str, *arguments: Any) -> Any:  # noqa: ANN401 - any JSON
        """The value of an async function's body; `find(selector, text)` and `every(selector)` see through shadow roots.

        Raises:
            AssertionError: The script threw.
        """
        given = ", ".join(json.dumps(one) for one in arguments)
        told = await self.send(
            "Runtime.evaluate",
            expression=f"(async (...given) => {{ {FIND} {script} }})({given})",
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        if "exceptionDetails" in told:
            raise AssertionError(told["exceptionDetails"]["exception"].get("description", "the script threw"))
        return told["result"].get("value")

    async def until(self, expression: str, *arguments: Any) -> Any:  # noqa: ANN401 - any JSON
        """Wait until an expression is true (`given` holds the arguments); its value.

        Raises:
            AssertionError: It never was; what the page shows is told.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            with contextlib.suppress(RuntimeError):  # the page is just being replaced
                if value := await self.run(f"return {expression};", *arguments):
                    return value
            await asyncio.sleep(0.02)
        shown = await self.run("return every('*').filter((one) => !one.children.length).map((one) => one.innerText)")
        words = " | ".join(" ".join(str(one).split()) for one in shown if one)[:2000]
        pytest.fail(f"never: {expression} {arguments}; errors: {self.errors}; shown: {words}")

    async def see(self, selector: str, text: str = "") -> str:
        """Wait until something of that selector and text is to be seen; its text."""
        # Looked for and read in one go: the page may draw itself anew in between.
        script = "(() => { const one = find(...given); return one && [one.innerText ?? one.textContent]; })()"
        [found] = await self.until(script, selector, text)
        return str(found)

    async def no_longer(self, selector: str, text: str = "") -> None:
        """Wait until nothing of that selector and text is to be seen."""
        await self.until("!find(...given)", selector, text)

    async def click(self, selector: str, text: str = "") -> None:
        """Click with the mouse in the middle of it, once it is to be seen and lies on top."""
        script = """(() => {
            const one = find(...given);
            if (!one || one.disabled) return null;
            one.scrollIntoView({ block: "center", behavior: "instant" });
            const { x, y, width, height } = one.getBoundingClientRect();
            let top = document.elementFromPoint(x + width / 2, y + height / 2);
            while (top?.shadowRoot) {
              const inner = top.shadowRoot.elementFromPoint(x + width / 2, y + height / 2);
              if (!inner || inner === top) break;
              top = inner;
            }
            return top && (one.contains(top) || top.contains(one)) ? [x + width / 2, y + height / 2] : null;
        })()"""
        x, y = await self.until(script, selector, text)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            count = 0 if kind == "mouseMoved" else 1
            await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    async def type(self, selector: str, text: str) -> None:
        """Replace what stands in a field."""
        script = "(() => { const one = find(...given); one?.focus(); one?.select?.(); return !!one; })()"
        await self.until(script, selector)
        await self.send("Input.insertText", text=text)

    async def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key: one of KEYS or a letter; modifiers: 1 alt, 2 control, 8 shift."""
        number = KEYS.get(key) or ord(key.upper())
        code = {" ": "Space"}.get(key, key if len(key) > 1 else f"Key{key.upper()}")
        told = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        with_text = {"text": text, "unmodifiedText": text} if text else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **told, **with_text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    async def picture(self, path: Path, *, is_whole: bool = False) -> None:
        """Store what it looks like (PNG); whole: with what one would have to scroll to."""
        wide, high, whole = await self.run("return [innerWidth, innerHeight, document.documentElement.scrollHeight]")
        # A window as high as the page: what sticks to the window then reaches down as well.
        if is_whole and whole > high:
            await self.resize(wide, whole)
            await self.run("await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        told = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(told["data"]))
        if is_whole and whole > high:
            await self.resize(wide, high)

    async def violations(self, axe: str, *rules: str) -> list[str]:
        """What axe-core calls serious or critical, by these rules or all, each with its elements."""
        if not await self.run("return 'axe' in window"):
            await self.send("Runtime.evaluate", expression=axe)
        return list(
            await self.run(
                """
            const only = given.length ? { runOnly: given } : {};
            const told = await axe.run(document, { resultTypes: ["violations"], ...only });
            return told.violations
              .filter((one) => ["serious", "critical"].includes(one.impact))
              .map((one) => `${one.id} (${one.impact}): ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
            """,
                *rules,
            )
        )


@contextlib.asynccontextmanager
async def browsing(address: str) -> AsyncIterator[Browser]:
    """A browser context in the chromium at this address, which is gone after the block."""
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
        browser = Browser(socket)
        reader = asyncio.create_task(browser.read())
        try:
            browser.context_id = (await browser.send("Target.createBrowserContext"))["browserContextId"]
            yield browser
            await browser.send("Target.disposeBrowserContext", browserContextId=browser.context_id)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
