"""A headless chromium spoken to over its debugging port: open a page, ask it things, take its picture."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--remote-debugging-port=0",
)  # fmt: skip


def find_browser() -> str | None:
    """Return the path of an installed chromium, None without one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """One page; ``problems`` collects errors of scripts and console."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.problems: list[str] = []

    async def listen(self) -> None:
        """Take in answers and events until the browser hangs up."""
        async for raw in self._link:
            message = json.loads(raw)
            if "id" in message:
                self._waiting.pop(message["id"]).set_result(message)
            elif message["method"] == "Runtime.exceptionThrown":
                self.problems.append(json.dumps(message["params"]["exceptionDetails"])[:600])
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.problems.append(json.dumps(message["params"]["entry"])[:600])

    async def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command of the protocol and return its result."""
        number = next(self._ids)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._link.send(json.dumps({"id": number, "method": method, "params": params}))
        message = await asyncio.wait_for(answer, 20)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return dict(message["result"])

    async def open(self, url: str, width: int, height: int, language: str = "ko") -> None:
        """Open an address in a window of this size with this browser language."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self.ask("Network.setExtraHTTPHeaders", headers={"accept-language": language})
        await self.ask("Page.navigate", url=url)

    async def eval(self, script: str) -> Any:
        """Return the value of an expression (a promise is awaited)."""
        out = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in out:
            raise RuntimeError(json.dumps(out["exceptionDetails"])[:600])
        return out["result"].get("value")

    async def wait(self, script: str, seconds: float = 20.0) -> Any:
        """Wait until an expression is true; return its value."""
        for _ in range(int(seconds / 0.1)):
            value = await self.eval(script)
            if value:
                return value
            await asyncio.sleep(0.1)
        raise TimeoutError(f"never true: {script}; problems: {self.problems}")

    async def picture(self, path: Path) -> None:
        """Write a PNG of the window."""
        out = await self.ask("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(out["data"]))


@asynccontextmanager
async def browse(binary: str, profile: Path) -> AsyncIterator[Page]:
    """Start a browser with a fresh profile and yield its page; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        binary, *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = await _page_address(profile)
        async with connect(address, max_size=64_000_000, proxy=None) as link:
            page = Page(link)
            listener = asyncio.create_task(page.listen())
            try:
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await page.ask(f"{domain}.enable")
                yield page
            finally:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _page_address(profile: Path) -> str:
    """Return the debugging address of the first page, from the port file that the browser writes."""
    import httpx

    note = profile / "DevToolsActivePort"
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(300):
            if note.exists() and len(lines := note.read_text().splitlines()) >= 2:
                targets = (await client.get(f"http://127.0.0.1:{lines[0]}/json/list")).json()
                pages = [t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page"]
                if pages:
                    return str(pages[0])
            await asyncio.sleep(0.1)
    raise TimeoutError("the browser did not open its debugging port in 30 s")
