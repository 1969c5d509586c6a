"""Answers that repeat themselves: not read again, and never longer than they stand for what is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import T0
from watcher.model import Observation
from watcher.poller.answer_cache import AnswerCache
from watcher.poller.plan import SourcePlan
from watcher.poller.row_cache import key_of
from watcher.poller.session import UNCHANGED, SourceSession
from watcher.providers import Page, Provider, ProviderSettings, Request, Response
from watcher.runtime import Runtime
from watcher.store.memory import MemoryStore

TAG = 'W/"one"'


def answer(body: bytes = b"{}", status: int = 200, **headers: str) -> Response:
    return Response(status, body, headers, T0, T0)


def kept(page: Page | None = None, response: Response | None = None) -> AnswerCache:
    cache = AnswerCache()
    cache.keep("first", page or Page(), response or answer(etag=TAG))
    return cache


def test_an_answer_is_found_by_what_was_asked() -> None:
    cache = kept(Page((Observation("7", {}),), total=3))
    known = cache.find("first")
    assert cache.find("second") is None
    assert known is not None
    assert (list(known.keys), known.page) == ([key_of("7")], Page(total=3))
    cache.forget()
    assert cache.find("first") is None


@pytest.mark.parametrize(
    ("page", "response"),
    [
        (Page(fallback=True), answer()),
        (Page(clock=T0), answer()),
        (Page(unusable=1), answer()),
        (Page(complaints=("7: labels",)), answer()),
        (Page(missing=("labels",)), answer()),
        (Page(), answer(status=206)),
    ],
)
def test_what_has_to_be_looked_at_again_is_not_kept(page: Page, response: Response) -> None:
    assert kept(page, response).find("first") is None


def test_few_answers_are_kept() -> None:
    cache = AnswerCache()
    for number in range(9):
        cache.keep(number, Page(), answer())
    assert [number for number in range(9) if cache.find(number)] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("response", "repeated"),
    [
        (answer(), True),
        (answer(b"{ }"), False),
        (answer(status=206), False),
        (answer(status=500), False),
        (answer(b"", 304), True),
        (answer(b"", 304, etag=TAG), True),
        (answer(b"", 304, etag='"one"'), True),
        (answer(b"", 304, etag='W/"two"'), False),
    ],
)
def test_an_answer_is_repeated_by_its_body_or_by_its_validator(
    response: Response, repeated: bool
) -> None:
    known = kept().find("first")
    assert known is not None
    assert known.is_repeated(response) is repeated


@pytest.mark.parametrize("tag", ["", "one", 'W/"a b"', f'"{"x" * 300}"', '"a\r\nb"'])
def test_an_odd_validator_is_never_sent(tag: str) -> None:
    known = kept(response=answer(etag=tag)).find("first")
    assert known is not None
    assert known.condition(Request("/list")) == Request("/list")
    assert not known.is_repeated(answer(b"", 304))


def test_only_a_get_is_conditional() -> None:
    known = kept().find("first")
    assert known is not None
    assert known.condition(Request("/list")).headers == (("if-none-match", TAG),)
    assert known.condition(Request("/list", "POST")).headers == ()


class Lists(Provider):
    """Lists rows as `{"id": unread}`."""

    settings_model = ProviderSettings

    @property
    def account(self) -> str:
        return "1"

    def start(self, motion: Any) -> str:
        return "list"

    def request(self, position: str) -> Request:
        return Request("/" + position)

    def parse(self, position: str, response: Response) -> Page:
        rows: Mapping[str, bool] = json.loads(response.body)
        return Page(tuple(Observation(key, {"unread": unread}) for key, unread in rows.items()))


class Inbox:
    """A list that is answered with its validator, or 304 to who knows it."""

    def __init__(self) -> None:
        self.rows = {"1": False}
        self.now = T0
        self.conditional = True

    async def __call__(self, request: Request, *, urgent: bool) -> Response:
        self.now += timedelta(seconds=30)
        body = json.dumps(self.rows).encode()
        tag = f'W/"{hash(body)}"'
        if self.conditional and dict(request.headers).get("if-none-match") == tag:
            return Response(304, b"", {"etag": tag}, self.now, self.now)
        return Response(200, body, {"etag": tag}, self.now, self.now)


def opened(inbox: Inbox, provider: Provider) -> SourceSession:
    plan = SourcePlan("sales", "lists", provider, inbox, 30.0, 300.0)
    return SourceSession(plan, Runtime(store=MemoryStore(), clock=lambda: inbox.now))


async def look(session: SourceSession) -> bool:
    """Make one poll; return whether its answer was read."""
    seen = await session.look("list", urgent=True, motion="poll")
    decision = await session.absorb(seen.page.rows, seen.response)
    if decision is UNCHANGED and not seen.repeated:
        session.answers.keep("list", seen.page, seen.response)
    return not seen.repeated


@pytest.mark.anyio
@pytest.mark.parametrize("conditional", [True, False])
async def test_an_answer_is_read_until_it_shows_nothing_new(conditional: bool) -> None:
    inbox, provider = (
        Inbox(),
        Lists(ProviderSettings(base_url="http://lists.example", token="token")),
    )
    inbox.conditional = conditional
    session = opened(inbox, provider)
    await session.open()
    assert [await look(session) for _ in range(5)] == [True, True, False, False, False]
    assert session.rows.seen(["1"]) == {"1": inbox.now}
    inbox.rows["1"] = True
    assert [await look(session) for _ in range(4)] == [True, True, False, False]
    known = await session.store.known("sales", ["1"])
    assert known["1"].conversation.unread


@pytest.mark.anyio
async def test_what_is_shown_elsewhere_meanwhile_has_the_list_read_again() -> None:
    inbox, provider = (
        Inbox(),
        Lists(ProviderSettings(base_url="http://lists.example", token="token")),
    )
    session = opened(inbox, provider)
    await session.open()
    assert [await look(session) for _ in range(3)] == [True, True, False]
    inbox.now += timedelta(seconds=1)
    row = Observation("1", {"unread": True})
    await session.absorb([row], Response(200, b"", {}, inbox.now, inbox.now))
    assert await look(session)
