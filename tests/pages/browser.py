"""The pages in a real browser: Debian's Chromium, driven by Playwright, before every state at once.

Rules: each state has a host of its own below `localhost`, so one server shows all of them. A visit fails on a
line in the console, a report of the content security policy, a page wider than the screen, or a finding
of axe.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import axe_playwright_python
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright
from starlette.types import Receive, Scope, Send

from tests.api.harness import Door
from tests.pages.states import NOW, STATES
from watcher import web
from watcher.api import create_api
from watcher.api.access import ROLES, asked_by
from watcher.daemon.front import api_path
from watcher.pages import create_pages
from watcher.store.memory import MemoryStore

__all__ = ["CHROMIUM", "WIDTHS", "Site", "Visited", "browsing", "serving"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")


@dataclass
class Site:
    """All states, each at a host of its own for each who may ask."""

    port: int

    def at(self, state: str, role: str = "operator") -> str:
        """Return where a state is shown to somebody."""
        return f"http://{state.replace('_', '-')}.{role}.localhost:{self.port}"


@contextmanager
def serving() -> Iterator[Site]:
    """Serve all states until the end."""
    listener = web.bind("127.0.0.1", 0)
    begun, ending = threading.Event(), anyio.Event
    stop: dict[str, Any] = {}

    async def run() -> None:
        doors = {}
        for state, fill in STATES.items():
            store = MemoryStore()
            await fill(store)
            for role in ROLES:
                door = Door(store, level=role, at=NOW)
                apps = {"api": create_api(door), "pages": create_pages(door)}
                name = f"{state.replace('_', '-')}.{role}.localhost"
                doors[name] = {key: asked_by(app, door.principal) for key, app in apps.items()}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            host = dict(scope["headers"])[b"host"].decode().partition(":")[0]
            path = api_path(scope)
            chosen = doors[host]["pages" if path is None else "api"]
            await chosen({**scope, "path": path or scope["path"]}, receive, send)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(web.serve, app, listener)
            stop["event"] = ending()
            stop["loop"] = anyio.lowlevel.current_token()
            begun.set()
            await stop["event"].wait()
            tasks.cancel_scope.cancel()

    thread = threading.Thread(target=anyio.run, args=(run,))
    thread.start()
    assert begun.wait(60)
    try:
        yield Site(listener.getsockname()[1])
    finally:
        anyio.from_thread.run_sync(stop["event"].set, token=stop["loop"])
        thread.join()


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser; end it at last."""
    with sync_playwright() as driver:
        # Its sandbox is not to be had by root; it shows nothing but these pages.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Visited:
    """A page in the browser, and what was noticed."""

    page: Page
    lines: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    @property
    def received(self) -> int:
        """How many bytes came over the line."""
        sizes = [
            one.request.sizes()
            for one in self.responses
            if one.request.resource_type != "eventsource"
        ]
        return sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)

    def complaints(self) -> list[str]:
        """Return what is wrong: on each width, in each scheme."""
        found = list(self.lines)
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                found += [f"{width} {scheme}: {one}" for one in self._complaints()]
        return found

    def _complaints(self) -> list[str]:
        wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        found = [f"{wide} px wider than the screen"] if wide > 0 else []
        self.page.evaluate(AXE)
        options = {"runOnly": {"type": "tag", "values": RULES}}
        results = self.page.evaluate("options => axe.run(document, options)", options)
        return found + [
            f"{one['id']}: {one['help']}: {node['html'][:200]} {node['failureSummary'][:200]}"
            for one in results["violations"]
            for node in one["nodes"][:3]
        ]


@contextmanager
def visiting(
    browser: Browser,
    address: str,
    *,
    width: int = 1280,
    scheme: str = "light",
    javascript: bool = True,
) -> Iterator[Visited]:
    """Visit an address for the first time."""
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
        java_script_enabled=javascript,
    )
    page = context.new_page()
    visited = Visited(page)
    page.on("console", lambda line: visited.lines.append(f"console: {line.text}"))
    page.on("pageerror", lambda error: visited.lines.append(f"error: {error}"))
    page.on("response", lambda one: visited.responses.append(one))
    try:
        page.goto(address, wait_until="load")
        yield visited
    finally:
        context.close()
