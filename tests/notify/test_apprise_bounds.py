"""What a service answers never fills a worker: endless and packed answers, memory, redirects."""

from __future__ import annotations

import ast
import asyncio
import gzip
import importlib.util
import resource
from pathlib import Path
from typing import Any

import anyio.to_process
import pytest

from tests.notify.test_apprise import json_url, notice, notifier
from tests.support.loopback import Served, answer, serving
from watcher.markup import Draft, Part, Text
from watcher.notify import _apprise_worker
from watcher.notify._apprise_bounds import LARGEST_ANSWER, MEMORY

MB = 2**20


async def endless(_served: Served, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(900):
        writer.write(b"%x\r\n" % MB + b"x" * MB + b"\r\n")
        await writer.drain()


def _draft() -> Draft:
    return Draft(Text([Part("Title", False)]), Text([Part("Body", False)]), "text")


def send_and_measure(url: str) -> tuple[_apprise_worker.Attempt, int]:
    """Run in a worker: send, and return the most memory that the process has taken, in MB."""
    attempt = _apprise_worker.send(url, _draft(), 1000, 60.0)
    # The kernel's `ru_maxrss` would begin with what the process that started this one had taken.
    status = Path("/proc/self/status").read_text()
    return attempt, int(status.partition("VmHWM:")[2].split()[0]) // 1024


def grow(url: str) -> tuple[_apprise_worker.Attempt, tuple[int, int]]:
    """Run in a worker: send by a service whose plug-in takes more memory than there is."""
    from apprise import decorators

    notify: Any = decorators.notify  # untyped

    @notify(on="hungry")  # type: ignore[untyped-decorator]
    def hungry(*_args: object, **_named: object) -> bool:
        return bool(bytearray(2 * MEMORY))

    attempt = _apprise_worker.send(url, _draft(), 1000, 60.0)
    return attempt, (
        resource.getrlimit(resource.RLIMIT_AS)[0],
        resource.getrlimit(resource.RLIMIT_CORE)[0],
    )


async def test_an_endless_answer_is_read_up_to_a_bound() -> None:
    async with serving(endless) as served:
        attempt, most = await anyio.to_process.run_sync(send_and_measure, json_url(served))
    assert attempt[0] == "failed"
    assert "error=500" in attempt[1]
    assert most < 150  # 1,833 MB where it is read whole


async def test_a_packed_answer_is_bounded_as_unpacked() -> None:
    bomb = answer(gzip.compress(bytes(300 * MB)), "Content-Encoding: gzip", status="500 Oh")
    async with serving(bomb) as served:
        attempt, most = await anyio.to_process.run_sync(send_and_measure, json_url(served))
    assert attempt[0] == "failed"
    assert most < 150


async def test_a_usual_answer_is_read_whole() -> None:
    body = b'{"error": "' + b"x" * (LARGEST_ANSWER // 2) + b'"}'
    async with serving(answer(body, status="400 Bad Request")) as served:
        result = await notifier(json_url(served)).send(notice())
    assert result.outcome == "refused"
    async with serving(answer(b"{}")) as served:
        assert (await notifier(json_url(served)).send(notice())).outcome == "ok"


async def test_a_worker_has_little_memory_and_leaves_no_dump() -> None:
    attempt, limits = await anyio.to_process.run_sync(grow, "hungry://")
    assert attempt[0] == "failed"
    assert limits == (MEMORY, 0)


FAMILIES = [
    "json://127.0.0.1:{port}/?+X-Api-Key=APIKEY123",
    "xml://127.0.0.1:{port}/",
    "form://127.0.0.1:{port}/",
    "ntfy://127.0.0.1:{port}/topic",
    "gotify://127.0.0.1:{port}/abcdefghijklmno",
    "mmost://127.0.0.1:{port}/3ccdd113474722377935511fc85d3dd4",
    "hassio://127.0.0.1:{port}/longtokenlongtoken",
    "apprise://127.0.0.1:{port}/token",
    "signal://127.0.0.1:{port}/11122233344/22233344455",
    "synology://127.0.0.1:{port}/token",
]
"""Services that may stand anywhere, so also here."""


@pytest.mark.parametrize("url", FAMILIES)
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_a_redirect_is_not_followed(url: str, status: str) -> None:
    async with serving(answer()) as other:
        moved = answer(b"", f"Location: {other.url}/", status=status)
        async with serving(moved) as served:
            result = await notifier(url.format(port=served.port)).send(notice())
    assert served.requests
    assert not other.requests
    assert result.outcome == "failed"
    assert result.note.endswith(f": a redirect (HTTP {status[:3]}), which is not followed")


async def test_who_wants_redirects_may_have_them() -> None:
    async with serving(answer()) as other:
        moved = answer(b"", f"Location: {other.url}/", status="307 Temporary Redirect")
        async with serving(moved) as served:
            result = await notifier(f"{json_url(served)}?redirect=yes").send(notice())
    assert result.outcome == "ok"
    assert len(other.requests) == 1


def test_every_plug_in_of_the_installed_apprise_leaves_redirects_to_us() -> None:
    spec = importlib.util.find_spec("apprise")
    assert spec is not None
    assert spec.origin is not None
    asked = 0
    for file in (Path(spec.origin).parent / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="requests"), attr=verb)) if (
                    verb in ("delete", "get", "patch", "post", "put", "request")
                ):
                    asked += 1
                    given = {one.arg for one in node.keywords}
                    assert "allow_redirects" in given, f"{file.name}:{node.lineno}"
    assert asked > 100
