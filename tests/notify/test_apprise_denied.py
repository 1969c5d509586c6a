"""`network.deny` within Apprise's workers: judged at the socket, whichever library connects."""

from __future__ import annotations

import anyio
import pytest

from tests.notify.test_apprise import json_url, notice
from tests.support.loopback import answer, proxying, serving
from watcher.addresses import AddressFilter
from watcher.notify.apprise import AppriseNotifier

LOOPBACK = AddressFilter(("loopback",))


def notifier(url: str, addresses: AddressFilter) -> AppriseNotifier:
    return AppriseNotifier(
        lambda: (url,), "team", anyio.CapacityLimiter(2), addresses=lambda: addresses
    )


FAMILIES = [
    "json://127.0.0.1:{port}/", "json://2130706433:{port}/", "json://localhost:{port}/",
    "json://[::1]:{port}/", "ntfy://127.0.0.1:{port}/topic",
    "gotify://127.0.0.1:{port}/abcdefghijklmno", "mailto://u:p@127.0.0.1:{port}/?to=a@b.example&from=c@b.example",
    "irc://127.0.0.1:{port}/#channel",
]  # fmt: skip


@pytest.mark.parametrize("url", FAMILIES)
async def test_nothing_connects(url: str) -> None:
    async with serving(answer()) as served:
        result = await notifier(url.format(port=served.port), LOOPBACK).send(notice())
    assert served.connections == 0
    assert result.outcome == "failed"
    assert result.note.endswith("`network.deny` forbids connections to its address: loopback")


async def test_a_datagram_does_not_leave() -> None:
    result = await notifier("rsyslog://127.0.0.1:5140", LOOPBACK).send(notice())
    assert result.outcome == "failed"
    assert result.note.endswith("`network.deny` forbids connections to its address: loopback")


async def test_what_is_permitted_goes_out_by_the_same_worker() -> None:
    async with serving(answer()) as served:
        for addresses, outcome in (
            (LOOPBACK, "failed"),
            (AddressFilter(("private",)), "ok"),
            (AddressFilter(("loopback",), ("127.0.0.1/32",)), "ok"),
            (LOOPBACK, "failed"),
        ):
            assert (await notifier(json_url(served), addresses).send(notice())).outcome == outcome
    assert len(served.requests) == 2


async def test_a_redirect_that_is_asked_for_does_not_lead_inside() -> None:
    async with serving(answer()) as inside:
        moved = answer(b"", f"Location: http://127.9.9.9:{inside.port}/", status="307 Moved")
        async with serving(moved) as served:
            url = f"{json_url(served)}?redirect=yes"
            result = await notifier(url, AddressFilter(("127.9.0.0/16",))).send(notice())
    assert result.outcome == "failed"
    assert result.note.endswith("forbids connections to its address: 127.9.0.0/16")
    assert inside.connections == 0


async def test_a_proxy_carries_nobody_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answer()) as served, proxying(lambda: served.port) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        denied = AddressFilter(("link-local",))
        for scheme in ("json", "jsons"):
            result = await notifier(f"{scheme}://169.254.169.254/", denied).send(notice())
            assert result.note.endswith("forbids connections to its address: link-local")
    assert proxy.connections == 0
