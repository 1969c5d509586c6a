"""How commands change a running daemon: HTTP on a Unix socket beside the store.

Law: only the owner of the store may connect (mode 0600). The server carries out what the daemon's
functions do; the client says in one line what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from watcher.errors import StoreError, StoreUnavailable
from watcher.transport import call_unix

__all__ = ["Control", "bind_control", "create_app", "tell_daemon"]

LONGEST_PATH = 100
"""Bytes of a socket's path that every Unix takes (Linux 107, macOS 103)."""

ANSWERED_WITHIN, EXPLAINED_WITHIN = 30.0, 5.0
"""Seconds in which the daemon carries out an order, and in which it says what it waits for."""


Reload = Callable[[], Awaitable[Mapping[str, Any]]]
"""Takes up the present configuration; gives what changed, or `problems` where it was refused."""


class Control(Protocol):
    """What a running daemon lets commands do."""

    def status(self) -> Mapping[str, Any]:
        """Give sources, receivers and the network, as plain JSON."""
        ...

    async def retry(self, ids: Sequence[str] | None) -> int:
        """Make dead deliveries pending again (None: all)."""
        ...

    async def release(self, source: str, *, accept: bool) -> bool:
        """Decide about a held sweep; False when none is held. Raises KeyError: no such source."""
        ...

    async def turn_on(self, receiver: str) -> None:
        """Send to a receiver again that was turned off. Raises KeyError: no such receiver."""
        ...

    async def add_silence(self, match: str, reason: str, ends: datetime) -> str:
        """Silence what matches until then; gives the silence's id. Raises ValueError: a wrong
        `match`.
        """
        ...

    async def expire_silence(self, silence: str) -> bool:
        """End an added silence now; False where none of this id lasts."""
        ...

    async def silences(self) -> Sequence[Mapping[str, Any]]:
        """Give every silence, configured or added, as plain JSON."""
        ...

    async def acknowledge(self, conversation: str, source: str | None) -> int:
        """End `for` and `repeat` about a conversation; gives how many deliveries were cancelled.
        Raises KeyError: no such source.
        """
        ...


def bind_control(path: Path) -> tuple[socket.socket, Path]:
    """Bind the control socket at `path` (`StoreAddress.daemon_socket`), mode 0600.

    A path too long for a socket falls back to the runtime directory (or the temporary one). The
    caller holds the store's lock, so a socket file that is there already is a dead daemon's.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        path = folder / f"inbox-watcher-{os.getpid()}.sock"
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen()  # who comes before the server does waits instead of being refused
    except OSError as error:
        listener.close()
        raise StoreError(f"the control socket {path} cannot be made: {error.strerror}") from None
    finally:
        os.umask(mask)
    return listener, path


def create_app(control: Control, reload: Reload) -> Starlette:
    """Make the application behind the control socket."""

    def answering(
        act: Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            wish = await request.json() if request.method == "POST" else {}
            try:
                return JSONResponse(await act(wish))
            except KeyError as error:
                return JSONResponse({"error": f"there is no {error.args[0]}"}, status_code=404)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)

        return endpoint

    async def status(_wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return control.status()

    async def retry(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"count": await control.retry(wish.get("ids"))}

    async def release(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"released": await control.release(wish["source"], accept=wish["accept"])}

    async def reload_now(_wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return await reload()

    async def turn_on(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        await control.turn_on(wish["receiver"])
        return {}

    async def add_silence(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        ends = datetime.fromisoformat(wish["ends"])
        return {"silence": await control.add_silence(wish["match"], wish["reason"], ends)}

    async def expire_silence(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"expired": await control.expire_silence(wish["silence"])}

    async def silences(_wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"silences": await control.silences()}

    async def acknowledge(wish: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"count": await control.acknowledge(wish["conversation"], wish.get("source"))}

    return Starlette(
        routes=[
            Route("/status", answering(status)),
            Route("/retry", answering(retry), methods=["POST"]),
            Route("/release", answering(release), methods=["POST"]),
            Route("/reload", answering(reload_now), methods=["POST"]),
            Route("/turn-on", answering(turn_on), methods=["POST"]),
            Route("/silences", answering(silences)),
            Route("/silences/add", answering(add_silence), methods=["POST"]),
            Route("/silences/expire", answering(expire_silence), methods=["POST"]),
            Route("/acknowledge", answering(acknowledge), methods=["POST"]),
        ]
    )


async def tell_daemon(
    path: Path, method: str, call: str, wish: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Ask the running daemon; raises StoreError with one line when it does not answer or refuses:
    StoreUnavailable where it has taken the order and waits for its store.
    """
    answer = await call_unix(path, method, call, json=wish, timeout=ANSWERED_WITHIN)
    if answer.status == 0:
        if trouble := await _failing_store(path):
            waiting = "the running daemon has the order, but waits for its store: "
            raise StoreUnavailable(f"{waiting}{trouble['reason']}; {trouble['remedy']}")
        raise StoreError(f"the running daemon does not answer on {path}: {answer.error}")
    body = json.loads(answer.body)
    if answer.status != 200:
        raise StoreError(str(body.get("error", f"the daemon refused ({answer.status})")))
    return dict(body)


async def _failing_store(path: Path) -> Mapping[str, Any] | None:
    """Ask what keeps the daemon's store from working; None if nothing does, or nobody answers."""
    answer = await call_unix(path, "GET", "/status", timeout=EXPLAINED_WITHIN)
    if answer.status != 200:
        return None
    trouble: Mapping[str, Any] | None = json.loads(answer.body).get("store_failing")
    return trouble
