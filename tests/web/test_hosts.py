"""Which hosts a request may name: ours, those configured, and none that a page elsewhere could have."""

from __future__ import annotations

import httpx  # noqa: TID251 - reads what the server answers
import pytest

from watcher.settings.values import Address, parse_host
from watcher.web import create_app, create_probes, guarded
from watcher.web.hosts import is_known

LOOPBACK, OPEN = Address("127.0.0.1", 8484), Address("0.0.0.0", 8484)  # noqa: S104 - only a text

ALWAYS = [
    "localhost",
    "localhost:8484",
    "LOCALHOST.",
    "a.localhost:1",
    "127.0.0.1:8484",
    "127.9.9.9",
]
ALWAYS += ["[::1]", "[::1]:8484"]
NEVER = [
    "",
    "evil.example",
    "evil.example:8484",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
]
NEVER += [
    "notlocalhost",
    "127.0.0.1:8484:1",
    "[::1",
    "::1",
    "a@127.0.0.1",
    "127.0.0.1/",
    "[]",
    ":8484",
]


@pytest.mark.parametrize("listen", [LOOPBACK, OPEN])
@pytest.mark.parametrize("host", ALWAYS)
def test_this_machine_is_known_by_its_own_names(host: str, listen: Address) -> None:
    assert is_known(host, listen)


@pytest.mark.parametrize("listen", [LOOPBACK, OPEN])
@pytest.mark.parametrize("host", NEVER)
def test_a_name_that_anybody_can_give_us_is_unknown(host: str, listen: Address) -> None:
    assert not is_known(host, listen)
    assert not is_known(host, listen, ("watcher.example.com", "*.inner.example.com"))


@pytest.mark.parametrize("host", ["192.0.2.7:8484", "[2001:db8::1]:8484", "10.0.0.5"])
def test_an_address_in_numbers_is_known_where_others_reach_the_server(host: str) -> None:
    assert is_known(host, OPEN)
    assert not is_known(host, LOOPBACK)
    assert is_known(host, LOOPBACK, (parse_host(host.rsplit(":8484")[0]),))


def test_hosts_are_names_and_what_lies_below_them() -> None:
    hosts = ("watcher.example.com", "*.inner.example.com")
    assert is_known("Watcher.Example.com:443", LOOPBACK, hosts)
    assert is_known("a.b.inner.example.com", LOOPBACK, hosts)
    assert not is_known("inner.example.com", LOOPBACK, hosts)
    assert not is_known("a.watcher.example.com", LOOPBACK, hosts)
    assert is_known("watcher.lan", Address("watcher.lan", 80))


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/nowhere"])
async def test_an_unknown_host_gets_400_everywhere_but_at_the_probes(path: str) -> None:
    async def scrape(*, every: bool) -> bytes:
        return b""

    page = guarded(create_app(lambda: (), scrape), LOOPBACK)
    probes = create_probes(lambda: (), scrape)
    for app, expected in ((page, 400), (probes, 404 if path in ("/", "/nowhere") else None)):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
            answer = await client.get(path, headers={"origin": "http://evil.example"})
        assert answer.status_code == (expected or (503 if path == "/readyz" else 200))
        if app is page:
            assert answer.text == (
                "the request names an unknown host; an operator can add it to `server.hosts`\n"
            )
