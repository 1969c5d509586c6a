"""The embedded web server: health, readiness and metrics, loopback by default (contract 6).

Rules: reads only its arguments; changes nothing in the daemon. What is served has few connections, each with
deadlines (`connections`), and answers to hosts of its own alone (`hosts`), but for probes: Prometheus and
Kubernetes name an address of the machine or the container, whatever it is.
"""

from __future__ import annotations

import contextlib
import heapq
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import anyio.lowlevel
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from watcher.web.connections import BoundedConnection
from watcher.web.counting import counted, naming
from watcher.web.library import Config, Server
from watcher.web.links import link_routes
from watcher.web.origins import guarded

__all__ = [
    "Freshness", "Scrape", "address_of", "bind", "counted", "create_app", "create_probes", "guarded",
    "link_routes", "naming", "serve",
]  # fmt: skip

QUEUE = 1024
"""Connections that the system keeps until they are taken."""

AT_ONCE = 8
"""Connections that are taken in a turn of the event loop: a bound counts only what has been taken before."""

LOOKED_AT = 500
"""Sources that are looked at in one turn of the event loop."""

NAMED = 20
"""Sources that the body of `/readyz` names; of thousands it counts the rest."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How lately one source was read."""

    source: str
    attempted: bool
    """Whether it was tried once."""

    stale: bool
    lag: float
    """Seconds since it was read."""


Looks = Callable[[], Iterable[Freshness]]
"""Returns how lately each source was read."""


class Scrape(Protocol):
    """Returns what Prometheus reads; of `every` source, however many there are."""

    async def __call__(self, *, every: bool) -> bytes: ...


def create_app(
    looks: Looks,
    scrape: Scrape,
    store_failing: Callable[[], Mapping[str, Any] | None] = lambda: None,
    stuck: Callable[[], Sequence[Mapping[str, Any]]] = lambda: (),
    disk_low: Callable[[], Mapping[str, Any] | None] = lambda: None,
    pages: Sequence[BaseRoute] = (),
) -> Starlette:
    """Make the application with `/healthz`, `/readyz` and `/metrics` (see `create_probes`), and pages."""
    probes = create_probes(looks, scrape, store_failing, stuck, disk_low)
    return Starlette(routes=[*probes.routes, *pages])


def create_probes(
    looks: Looks,
    scrape: Scrape,
    store_failing: Callable[[], Mapping[str, Any] | None] = lambda: None,
    stuck: Callable[[], Sequence[Mapping[str, Any]]] = lambda: (),
    disk_low: Callable[[], Mapping[str, Any] | None] = lambda: None,
) -> Starlette:
    """Make the application with `/healthz`, `/readyz` and `/metrics` alone.

    `store_failing` returns why the store does not work; meanwhile nothing is ready, and where it is
    `lost`, the process is unhealthy. `stuck` returns the stuck loops; with any, it is, too.
    `disk_low` returns that little is left of the disk: told, but sources that write little are ready.
    """

    async def healthz(_request: Request) -> Response:
        lines = [f"stuck for {one['seconds']} s: {one['what']}\n" for one in stuck()]
        trouble = store_failing()
        if trouble is not None and trouble["lost"]:
            lines.append("the store is gone\n")
        return PlainTextResponse("".join(lines) or "ok\n", status_code=503 if lines else 200)

    async def readyz(request: Request) -> Response:
        sources: list[Freshness] = []
        for one in looks():
            sources.append(one)
            if len(sources) % LOOKED_AT == 0:  # the loop has others to serve
                await anyio.lowlevel.checkpoint()
        waiting = [one for one in sources if not one.attempted]
        stale = [one for one in sources if one.stale]
        strict = "strict" in request.query_params
        trouble = store_failing()
        ready = (
            trouble is None and not waiting and (not stale if strict else len(stale) < len(sources))
        )
        body: dict[str, Any] = {
            "ready": ready,
            "sources": {"all": len(sources), "waiting": len(waiting), "stale": len(stale)},
            "waiting": _worst(waiting),
            "stale": _worst(stale),
        }
        if trouble is not None:
            body["store"] = trouble
        if (low := disk_low()) is not None:
            body["disk"] = low
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(request: Request) -> Response:
        text = await scrape(every=request.query_params.get("sources") == "all")
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )


def _worst(sources: Iterable[Freshness]) -> list[str]:
    """Return the names of those that were read longest ago."""
    return [one.source for one in heapq.nsmallest(NAMED, sources, key=lambda one: -one.lag)]


TICK = 1.0
"""Seconds between two times of the `Date` header."""


class _Server(Server):
    """A uvicorn server that leaves the process' signals alone: the daemon keeps them."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._stopping = anyio.Event()

    def stop(self) -> None:
        """Have it end."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        # uvicorn's own looks ten times a second whether it is to end.
        while not self.should_exit:
            await self.on_tick(0)
            with anyio.move_on_after(TICK):
                await self._stopping.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for one in sockets or ():
            one.listen(QUEUE)  # see `backlog` below

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening address (`port` 0: any free one); raises OSError saying which was not to be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(QUEUE)  # who comes before the server does waits instead of being refused
    except OSError as error:
        listener.close()
        raise OSError(f"{host}:{port} cannot be listened on: {error.strerror or error}") from None
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the address by which a browser on this machine reaches a listener."""
    host, port, *_ = listener.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - only compared
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: Any, listener: socket.socket, *, once: bool = False) -> None:
    """Serve an ASGI application on a bound socket until cancelled; requests under way get a second.

    With `once`, a connection is good for one request.
    """
    config = Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whoever connects could name an address that is not his
        lifespan="off",
        timeout_graceful_shutdown=1,
        ws="none",
        server_header=False,
        http=BoundedConnection,
        headers=[("connection", "close")] if once else [],
        # asyncio takes so many in a turn, and where there is no descriptor, complains as often.
        backlog=AT_ONCE,
    )
    server = _Server(config)
    ended = anyio.Event()

    async def run() -> None:
        with anyio.CancelScope(shield=True):  # uvicorn closes its sockets only when it ends itself
            await server.serve(sockets=[listener])
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, name="web server")
        try:
            await ended.wait()
        finally:
            server.stop()
