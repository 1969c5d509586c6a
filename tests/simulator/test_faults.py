"""Faults before a fake: each kind, when it happens, the log, and what a reader may not send."""

from __future__ import annotations

from typing import Any

import anyio
import httpx  # noqa: TID251 - type of the answers
import pytest
from uvicorn.config import Config
from uvicorn.server import Server as Uvicorn

from tests.simulator.harness import KINDS, Harness, ask
from watcher.simulator import Dated, Faults, by_host, chatwoot, faults, leadconnector, leadping
from watcher.simulator.state import Kind

PATHS: dict[Kind, tuple[str, str]] = {
    "leadping": ("POST", "/conversations/my?archiveFilter=all"),
    "highlevel": ("GET", "/conversations/search?locationId=3"),
    "chatwoot": ("GET", "/api/v1/accounts/3/conversations?status=all"),
}
APPS: dict[Kind, Any] = {
    "leadping": leadping.app,
    "highlevel": leadconnector.app,
    "chatwoot": chatwoot.app,
}


class Server:
    """A fake with faults, and the right request for its list."""

    def __init__(self, kind: Kind, *, conversations: int = 8, strict: bool = False) -> None:
        self.harness = Harness(kind, conversations=conversations)
        self.faults = Faults(APPS[kind](self.harness.world), self.harness.clock, strict=strict)
        self.method, self.path = PATHS[kind]

    async def list(self) -> httpx.Response:
        token = self.harness.account.token
        headers = {
            "Authorization": f"Bearer {token}", "Version": "v3", "Api-Access-Token": token,
        }  # fmt: skip
        body = {"json": {}} if self.method == "POST" else {}
        return await ask(self.faults, self.method, self.path, headers=headers, **body)


def ids(answer: httpx.Response) -> list[str]:
    whole = answer.json()
    whole = whole.get("data", whole)
    names = ("items", "conversations", "payload")
    return [str(row["id"]) for name in names if name in whole for row in whole[name]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [401, 403, 404, 429, 500, 503])
async def test_a_status_is_answered_in_the_providers_own_words(kind: Kind, code: int) -> None:
    server = Server(kind)
    server.faults.plan(faults.status(code), faults.requests(2))
    answers = [await server.list() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, code, 200]
    assert "Retry-After" not in answers[1].headers
    assert answers[1].text


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wait_may_be_told(kind: Kind) -> None:
    server = Server(kind)
    server.faults.plan(faults.status(429, wait=7))
    assert (await server.list()).headers["Retry-After"] == "7"


@pytest.mark.parametrize("kind", KINDS)
async def test_answers_are_cut_replaced_emptied_shuffled_and_thinned(kind: Kind) -> None:
    server = Server(kind)
    whole = ids(await server.list())
    for number, fault in enumerate(
        (faults.truncated(), faults.html(), faults.empty(), faults.shuffled(3),
         faults.without(whole[2])),
        start=2,
    ):  # fmt: skip
        server.faults.plan(fault, faults.requests(number))
    cut, page, empty, shuffled, thinned = [await server.list() for _ in range(5)]
    assert cut.status_code == 200
    with pytest.raises(ValueError):  # noqa: PT011 - any decoder's error
        cut.json()
    assert (page.status_code, page.headers["Content-Type"][:9]) == (502, "text/html")
    assert (empty.status_code, ids(empty)) == (200, [])
    assert ids(shuffled) != whole
    assert sorted(ids(shuffled)) == sorted(whole)
    assert ids(thinned) == [*whole[:2], *whole[3:]]
    assert ids(await server.list()) == whole


async def test_an_emptied_list_says_consistently_that_there_is_nothing() -> None:
    server = Server("leadping", conversations=60)
    server.faults.plan(faults.empty())
    assert (await server.list()).json()["continuationToken"] is None
    other = Server("chatwoot")
    other.faults.plan(faults.empty())
    assert set((await other.list()).json()["data"]["meta"].values()) == {0}


@pytest.mark.parametrize("kind", KINDS)
async def test_an_endless_list_has_other_conversations_each_time_and_more_behind(
    kind: Kind,
) -> None:
    server = Server(kind)
    server.faults.plan(faults.endless(30, text=5_000))
    pages = [await server.list() for _ in range(3)]
    shown = [id_ for page in pages for id_ in ids(page)]
    assert len(set(shown)) == 90
    for page in pages:
        assert page.text.count("x" * 5_000) >= 30
        assert '"1000000000"' not in page.text
        assert "1000000000" in page.text  # the count of all


async def test_a_server_that_hangs_never_answers_but_ends_with_its_caller() -> None:
    server = Server("chatwoot")
    server.faults.plan(faults.hang(), faults.requests(1))
    with anyio.move_on_after(0.05) as scope:
        await server.list()
    assert scope.cancelled_caught
    assert (await server.list()).status_code == 200


async def test_a_slow_server_answers_rightly() -> None:
    server = Server("chatwoot")
    server.faults.plan(faults.slow(0.01))
    assert len(ids(await server.list())) == 8


async def test_faults_happen_in_a_window_of_the_worlds_time_or_by_any_test() -> None:
    server = Server("chatwoot")
    clock = server.harness.clock
    start = clock()
    clock.forward(10)
    server.faults.plan(faults.status(500), faults.between(start, clock()))
    page_two = faults.where(lambda seen: seen.params.get("status") == "all" and seen.number == 2)
    server.faults.plan(faults.status(503), page_two)
    assert [(await server.list()).status_code for _ in range(3)] == [200, 503, 200]
    server.faults.plan(faults.status(404))
    assert (await server.list()).status_code == 404
    server.faults.clear()
    assert (await server.list()).status_code == 200


async def test_the_log_has_everything_but_tokens() -> None:
    server = Server("leadping")
    await server.list()
    (seen,) = server.faults.log
    assert (seen.number, seen.at, seen.method) == (1, server.harness.clock(), "POST")
    assert (seen.path, seen.params, seen.json) == (
        "/conversations/my",
        {"archiveFilter": "all"},
        {},
    )
    assert server.harness.account.token not in repr(seen)
    assert server.faults.forbidden == []


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("leadping", "POST", "/conversations/abc/mark-read"),
        ("leadping", "DELETE", "/leads/abc"),
        ("leadping", "GET", "/conversations/my"),
        ("highlevel", "PUT", "/conversations/abc"),
        ("highlevel", "POST", "/conversations/search"),
        ("chatwoot", "POST", "/api/v1/accounts/3/conversations/1/update_last_seen"),
        ("chatwoot", "DELETE", "/api/v1/accounts/3/conversations/1"),
        ("chatwoot", "GET", "/api/v1/profile"),
    ],
)
async def test_a_write_or_an_unknown_path_is_forbidden(kind: Kind, method: str, path: str) -> None:
    server = Server(kind)
    assert (await ask(server.faults, method, path)).status_code in (404, 405)
    assert [(seen.method, seen.path) for seen in server.faults.forbidden] == [(method, path)]
    strict = Server(kind, strict=True)
    assert (await ask(strict.faults, method, path)).status_code == 500


async def test_several_servers_stand_behind_their_hosts() -> None:
    one, two = Server("highlevel"), Server("leadping")
    net = by_host({"services.example": one.faults, "api.example": two.faults})
    answer = await ask(net, "GET", "/", headers={"Host": "api.example"})
    assert answer.json()["status"] == "ok"
    assert (len(one.faults.log), len(two.faults.log)) == (0, 1)
    assert (await ask(net, "GET", "/", headers={"Host": "elsewhere"})).status_code == 404


async def test_a_dated_server_tells_the_worlds_time_on_every_answer() -> None:
    server = Server("chatwoot")
    server.harness.clock.forward(90)
    dated = Dated(server.faults, server.harness.clock)
    answer = await ask(dated, "GET", server.path)
    assert answer.status_code == 401
    assert answer.headers["Date"] == "Fri, 20 Nov 2026 10:01:30 GMT"


async def test_it_serves_a_real_socket_and_a_hanging_request_ends_with_its_caller() -> None:
    server = Server("leadping")
    server.faults.plan(faults.hang(), faults.requests(1))
    config = Config(server.faults, port=0, log_level="critical", lifespan="off")
    daemon = Uvicorn(config)
    async with anyio.create_task_group() as group:
        group.start_soon(daemon._serve)
        with anyio.fail_after(5):
            while not daemon.started:  # noqa: ASYNC110 - uvicorn tells it by this flag only
                await anyio.sleep(0.01)
        port = daemon.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/", timeout=0.2)
            assert (await client.get("/")).json()["status"] == "ok"
        daemon.should_exit = True
