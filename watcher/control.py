"""Remote control of a running daemon: HTTP over a Unix socket next to the store.

Rules: only the owner of the store may connect (mode 0600). The server calls the daemon's methods, the
client calls them by the same names; both follow from the protocol `Control`, so that a new command
is a method there, in the daemon and in `daemon.offline`.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import anyio
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from watcher.errors import StoreError, StoreUnavailable
from watcher.model import rfc3339
from watcher.records import Actor, HttpReply
from watcher.standing import Standing

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = [
    "SOMEBODY",
    "Control",
    "DaemonControl",
    "bind_control",
    "call_unix",
    "connect",
    "create_app",
    "remove_control",
    "request_reload",
]

PREFIX = "inbox-watcher-"

LONGEST_PATH = 100
"""Bytes of a socket's path that every Unix accepts (Linux 107, macOS 103)."""

ANSWERED_WITHIN, EXPLAINED_WITHIN = 30.0, 5.0
"""Seconds within which the daemon carries out a call, and within which it reports its status."""

SENT_WITHIN = {"send_test": 3600.0, "reload": 300.0}
"""Seconds for calls that wait for somebody else, who has a timeout of his own; or that read the files of ten
thousand sources beside all else.
"""


SOMEBODY = Actor()
"""Who has not said who he is."""


class Control(Protocol):
    """What commands can do to a daemon; arguments and results are plain JSON, or times."""

    async def status(
        self, sources: Sequence[str] | None = None, most: int | None = None, within: str = ""
    ) -> Mapping[str, Any]:
        """Return the status of sources, receivers, network and store: of these sources, or of the `most`
        that stand worst; `standing` counts all of them. With `within`, there are only the sources whose
        names fit this glob.
        """
        ...

    async def progress(self, source: str) -> Mapping[str, Any]:
        """Return the last `looks` at a source, and when the `next_poll` and the `next_sweep` are due; None
        where nobody watches. Raise KeyError for an unknown source.
        """
        ...

    async def standings(self) -> Mapping[str, Standing]:
        """Return how each source stands, in a word."""
        ...

    async def retry(self, ids: Sequence[str] | None, by: Actor = SOMEBODY) -> int:
        """Make dead deliveries pending again (None: all of them); return how many."""
        ...

    async def release(
        self, source: str, *, accept: bool, since: datetime, by: Actor = SOMEBODY
    ) -> bool:
        """Accept or discard the sweep that is held since then; return False if that one is not held
        (any more). Raise KeyError for an unknown source.
        """
        ...

    async def turn_on(self, receiver: str, by: Actor = SOMEBODY) -> None:
        """Send to a receiver again that was turned off. Raise KeyError for an unknown receiver."""
        ...

    async def add_silence(
        self, match: str, reason: str, ends: datetime, by: Actor = SOMEBODY
    ) -> str:
        """Silence what matches from now until `ends`; return the silence's id. Raise ValueError for
        an invalid `match`.
        """
        ...

    async def expire_silence(self, silence: str, by: Actor = SOMEBODY) -> bool:
        """End an added silence now; return False if no active silence has this id."""
        ...

    async def extend_silence(self, silence: str, ends: datetime, by: Actor = SOMEBODY) -> bool:
        """Let an added silence last until `ends`, also one that is over; return False if there is
        none with this id.
        """
        ...

    async def silences(self) -> Sequence[Mapping[str, Any]]:
        """Return every silence, configured or added."""
        ...

    async def acknowledge(self, source: str, conversation: str, by: Actor = SOMEBODY) -> int:
        """Cancel pending `for` and `repeat` deliveries about a conversation, which who acts has taken
        now; return how many. Raise KeyError for an unknown source.
        """
        ...

    async def renew_links(self, *, keep: bool, by: Actor = SOMEBODY) -> bool:
        """Sign links in messages with a new key; with `keep` those of the present one work on. Return
        False, and change nothing, if the key is in the configuration.
        """
        ...

    async def take_back(self, source: str, conversation: str, by: Actor = SOMEBODY) -> bool:
        """Take an acknowledgement back; what it cancelled stays so. Return False if nobody has taken the
        conversation. Raise KeyError for an unknown source.
        """
        ...


class DaemonControl(Control, Protocol):
    """What only a running daemon can do, because it has the secrets."""

    async def send_test(self, receiver: str) -> Mapping[str, Any]:
        """Send a sample to a receiver, and turn it on if it was off and takes it. Return the
        attempt's `outcome`, `note`, `excerpt` and `seconds`, and whether it was `turned_on`. Raise
        KeyError for an unknown receiver.
        """
        ...

    async def look_now(
        self, source: str, step: Literal["poll", "sweep"], by: Actor = SOMEBODY
    ) -> float:
        """Have a source polled or swept as soon as its limit of requests allows. Return 0, or for how many
        seconds that cannot be asked for again. Raise KeyError for an unknown source.
        """
        ...

    async def open_page(self, by: Actor = SOMEBODY) -> str:
        """Return an address of the pages that signs in who opens it: once, within two minutes. Raise
        ValueError if no server is configured.
        """
        ...

    async def raw_row(self, source: str, conversation: str) -> Mapping[str, Any] | None:
        """Return the provider's `row` of a known conversation, and whether it is `listed` or from a
        look-up; None if it does not come. Raise KeyError for an unknown source or conversation,
        ValueError if the provider cannot be asked.
        """
        ...


CALLS = tuple(
    name for part in (Control, DaemonControl) for name in vars(part) if not name.startswith("_")
)

Reload = Callable[[], Awaitable[Mapping[str, Any]]]
"""Applies the present configuration; returns what changed, or `problems` if it was refused."""


SOCKET = "control.sock"
"""The socket's name in a folder that was made for it."""


def bind_control(path: Path) -> tuple[socket.socket, Path]:
    """Bind the control socket at `path`, mode 0600; return it with the path that it got.

    A path too long for a socket falls back to a new folder in the runtime directory, the temporary
    one, or `/tmp`. The caller holds the store's lock, so an existing socket file belongs to a dead daemon.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        # A folder of its own (0700): a name that others can foresee, they can take before.
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_short_folder())) / SOCKET
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen()  # early clients wait for the server instead of being refused
    except OSError as error:
        listener.close()
        # Python's own refusals have no `strerror`.
        reason = error.strerror or str(error)
        raise StoreError(f"cannot create the control socket {path}: {reason}") from None
    finally:
        os.umask(mask)
    return listener, path


def _short_folder() -> str:
    """Return the first folder in which a socket's path is short enough."""
    folders = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir())
    room = LONGEST_PATH - len(os.fsencode(f"/{PREFIX}12345678/{SOCKET}"))
    return next((one for one in folders if one and len(os.fsencode(one)) <= room), "/tmp")  # noqa: S108 - mkdtemp makes a folder of our own there


def remove_control(path: Path) -> None:
    """Remove a control socket, and the folder that was made for it."""
    with contextlib.suppress(OSError):
        path.unlink()
        if path.parent.name.startswith(PREFIX):
            path.parent.rmdir()


# -- the daemon's side ------------------------------------------------------------------------


def create_app(control: DaemonControl, reload: Reload) -> Starlette:
    """Return the application behind the control socket: POST /<call> with the arguments as JSON."""
    # Only a daemon serves; commands, which call, start without a server's libraries.
    from pydantic import validate_call
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    def endpoint(method: Callable[..., Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
        call = validate_call(method)  # a time arrives as text

        async def answer(request: Request) -> Response:
            try:
                return JSONResponse({"result": await call(**await request.json())})
            except KeyError as error:
                return JSONResponse({"error": f"there is no {error.args[0]}"}, status_code=404)
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)

        return answer

    methods = {"reload": reload, **{name: getattr(control, name) for name in CALLS}}
    return Starlette(
        routes=[
            Route(f"/{name}", endpoint(method), methods=["POST"])
            for name, method in methods.items()
        ]
    )


# -- the command's side -----------------------------------------------------------------------


class _Proxy:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        signature = inspect.signature(getattr(DaemonControl, name))

        async def call(*args: Any, **kwargs: Any) -> Any:
            arguments = dict(signature.bind(self, *args, **kwargs).arguments)
            del arguments["self"]
            return await _call(self._path, name, arguments)

        return call


def connect(path: Path) -> DaemonControl:
    """Return the daemon behind a control socket.

    Its methods raise StoreError with one line if it refuses or does not answer: StoreUnavailable if
    it has accepted the call and is waiting for its store.
    """
    return cast("DaemonControl", _Proxy(path))


async def request_reload(path: Path) -> Mapping[str, Any]:
    """Have the daemon behind a control socket apply the present configuration (see `Reload`); raise
    StoreError as `connect` says.
    """
    result: Mapping[str, Any] = await _call(path, "reload", {})
    return result


async def _call(path: Path, name: str, arguments: Mapping[str, Any]) -> Any:
    plain = {key: _plain(value) for key, value in arguments.items()}
    patience = SENT_WITHIN.get(name, ANSWERED_WITHIN)
    answer = await call_unix(path, f"/{name}", plain, timeout=patience)
    if answer.status == 0:
        if trouble := await _store_failing(path):
            waiting = "the daemon accepted the command but is waiting for its store: "
            raise StoreUnavailable(f"{waiting}{trouble['reason']}; {trouble['remedy']}")
        raise StoreError(f"the running daemon does not answer on {path}: {answer.error}")
    body = json.loads(answer.body)
    if answer.status != 200:
        raise StoreError(str(body.get("error", f"the daemon refused ({answer.status})")))
    return body["result"]


def _plain(value: Any) -> Any:
    if isinstance(value, Actor):
        return {"who": value.who, "via": value.via}
    return rfc3339(value) if isinstance(value, datetime) else value


async def _store_failing(path: Path) -> Mapping[str, Any] | None:
    """Ask the daemon why its store does not work; None if it works, or if no answer comes."""
    answer = await call_unix(path, "/status", {"most": 0}, timeout=EXPLAINED_WITHIN)
    if answer.status != 200:
        return None
    trouble: Mapping[str, Any] | None = json.loads(answer.body)["result"].get("store_failing")
    return trouble


class _Reply:
    """An answer while it arrives; the parser calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.complete = False
        self.parser = HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.status, self.complete = self.parser.get_status_code(), True


async def call_unix(
    socket: Path, path: str, arguments: Mapping[str, Any], *, timeout: float
) -> HttpReply:
    """Post to the daemon's control socket; return status 0 and `error` if no answer came within
    `timeout` seconds.

    A client for all of HTTP would cost each command more than everything else that it does.
    """
    content = json.dumps(arguments, separators=(",", ":")).encode()
    lines = (
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "connection: close",
        "content-type: application/json",
        f"content-length: {len(content)}",
    )
    reply = _Reply()
    try:
        with anyio.fail_after(timeout):
            async with await anyio.connect_unix(socket) as stream:
                await stream.send("\r\n".join((*lines, "", "")).encode() + content)
                while not reply.complete:
                    reply.parser.feed_data(await stream.receive())
    except TimeoutError:
        return HttpReply(0, {}, b"", "the control socket did not answer in time")
    except OSError as error:
        return HttpReply(
            0, {}, b"", f"no connection to the control socket: {error.strerror or error}"
        )
    except (
        anyio.EndOfStream,
        anyio.BrokenResourceError,
        HttpParserError,
        HttpParserUpgrade,
    ):
        return HttpReply(
            0, {}, b"", "the control socket broke the answer off or does not speak HTTP"
        )
    return HttpReply(reply.status, {}, bytes(reply.body))
