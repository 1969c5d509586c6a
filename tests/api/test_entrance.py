"""Who comes in over TCP: by a token, a session, a proxy's word; how sessions begin, go on and end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx  # noqa: TID251 - reads what the server answers
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import T0
from watcher.api.access import Principal, principal_of
from watcher.api.entrance import FAILURES, MOST_ADDRESSES, Entrance
from watcher.api.sessions import Session, read_session, session_key, write_session
from watcher.config.model import Server
from watcher.daemon.entry_keys import MOST, EntryKeys
from watcher.records import Actor

ANA, ACME, ALONE = "a" * 30, "c" * 30, "o" * 30
PROXY, STRANGER = "10.0.0.5", "10.0.0.6"
LOCAL, PUBLIC = "http://127.0.0.1:8484", "https://watcher.example.com"
SETTINGS: dict[str, Any] = {
    "token": ALONE,
    "tokens": [
        {"name": "Ana", "token": ANA, "role": "operator"},
        {"name": "acme", "token": ACME, "sources": "acme-*", "redact": ["contact.phone"]},
    ],
    "public_url": PUBLIC,
}
HEADER = {"name": "x-user", "from": [PROXY, "fd00::/8"], "operators": ["*@example.com"],
          "viewers": ["*@partner.example"]}  # fmt: skip


@dataclass
class House:
    """An entrance, with an application behind it that says who asks."""

    settings: Mapping[str, Any] = field(default_factory=lambda: SETTINGS)
    now: datetime = T0
    own: bytes = b"k" * 32

    def __post_init__(self) -> None:
        self.keys = EntryKeys(lambda: self.now)
        self.open()

    def open(self) -> None:
        """Begin as a process does."""
        self.entrance = Entrance(self.server, self.key, self.keys.redeem, lambda: self.now)

    def server(self) -> Server:
        return Server.model_validate(self.settings)

    async def key(self) -> bytes:
        return self.own

    async def ask(
        self, base: str = LOCAL, client: str = "127.0.0.1", **headers: str
    ) -> tuple[int, Any, httpx.Response]:
        """Return the status, who it was for the application, and the answer."""
        seen: list[Principal] = []
        kept: list[Any] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(principal_of(scope))
            kept.extend(scope["headers"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        transport = httpx.ASGITransport(self.entrance.guard(app), client=(client, 1))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url=base) as browser:
            answer = await browser.get("/", headers=named)
        assert b"x-user" not in [name for name, _ in kept] or "trusted_header" not in self.settings
        return answer.status_code, seen[0] if seen else None, answer

    async def who(self, **more: str) -> Any:
        return (await self.ask(**more))[1]

    async def enter(self, secret: str, base: str = LOCAL, client: str = "127.0.0.1") -> str:
        scope = {"headers": [(b"host", base.partition("//")[2].encode())], "client": (client, 1)}
        return await self.entrance.enter(scope, secret)

    async def cookie(self, secret: str, base: str = LOCAL) -> str:
        return (await self.enter(secret, base)).partition(";")[0]


async def test_a_token_is_who_it_was_given_to() -> None:
    house = House()
    assert await house.who(authorization=f"Bearer {ALONE}") == Principal(role="operator")
    assert await house.who(authorization=f"bearer  {ANA} ") == Principal("Ana", "operator")
    acme = Principal("acme", "viewer", "acme-*", ("contact.phone",))
    assert await house.who(authorization=f"Bearer {ACME}") == acme
    assert await house.who() == Principal()
    assert await House({}).who(authorization="Basic x") == Principal()


async def test_an_open_house_may_be_read_by_everybody() -> None:
    assert await House({"reading": "open"}).who() == Principal(role="viewer")


@pytest.mark.parametrize("shown", ["", "x", ANA[:-1], f"{ANA}a", f"{ANA} {ACME}", "\x7f" * 30])
async def test_a_wrong_token_is_refused_whatever_else_comes_with_it(shown: str) -> None:
    house = House()
    cookie = await house.cookie(ANA)
    headers = {"authorization": f"Bearer {shown}", "cookie": cookie}
    status, who, answer = await house.ask(**headers)
    assert (status, who) == (401, None)
    assert answer.json()["type"] == "/problems/not-signed-in"
    assert not shown or shown not in answer.text


async def test_who_guesses_is_not_answered_for_a_minute_and_that_is_logged_once() -> None:
    house = House()
    with structlog.testing.capture_logs() as log:
        for number in range(FAILURES):
            assert (await house.ask(authorization=f"Bearer {number}"))[0] == 401
        for token in ("x", ANA):  # nor is what would be right
            status, who, answer = await house.ask(authorization=f"Bearer {token}")
            assert (status, who) == (429, None)
            assert answer.headers["retry-after"] == "61"
        with pytest.raises(Exception, match="wrong tokens came from here"):
            await house.enter(ANA)
    assert [(one["event"], one["address"]) for one in log] == [
        ("wrong tokens: the address is refused for a minute", "127.0.0.1")
    ]
    # Others are answered, and who has a session.
    assert await house.who(client=STRANGER, authorization=f"Bearer {ANA}") is not None
    house.now += timedelta(minutes=1)
    assert await house.who(authorization=f"Bearer {ANA}") == Principal("Ana", "operator")


async def test_of_those_who_guess_a_bounded_number_is_remembered() -> None:
    house = House()
    for number in range(MOST_ADDRESSES + 50):
        await house.ask(client=f"10.{number // 256}.{number % 256}.1", authorization="Bearer x")
    assert len(house.entrance._failures.times) == MOST_ADDRESSES


# What a proxy says


@pytest.mark.parametrize(
    ("client", "said", "who"),
    [
        (PROXY, "Ana@Example.com", Principal("Ana@Example.com", "operator")),
        ("fd00::7", "ana@example.com", Principal("ana@example.com", "operator")),
        ("::ffff:10.0.0.5", "ana@example.com", Principal("ana@example.com", "operator")),
        (PROXY, "bob@partner.example", Principal("bob@partner.example", "viewer")),
        (PROXY, "eve@evil.example", Principal()),
        (PROXY, "", Principal()),
        (STRANGER, "ana@example.com", Principal()),
        ("127.0.0.1", "ana@example.com", Principal()),
    ],
)
async def test_a_header_counts_from_the_proxy_alone(client: str, said: str, who: Principal) -> None:
    house = House({"trusted_header": HEADER})
    headers = {"x_user": said, "x_forwarded_for": PROXY, "forwarded": f"for={PROXY}"}
    assert await house.who(client=client, **headers) == who


async def test_a_header_that_comes_twice_counts_for_nothing() -> None:
    house = House({"trusted_header": HEADER})
    sent: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        sent.append((principal_of(scope), scope["headers"]))

    twice = [(b"x-user", b"ana@example.com"), (b"X-User", b"eve@example.com"), (b"host", b"a")]
    scope = {"type": "http", "path": "/", "headers": twice, "client": (PROXY, 1)}
    await house.entrance.guard(app)(scope, None, None)  # type: ignore[arg-type]
    assert sent == [(Principal(), [(b"host", b"a")])]


# Sessions


async def test_a_key_works_once_within_two_minutes() -> None:
    house = House()
    key, late = house.keys.make(Actor("tom")), house.keys.make(Actor("tom"))
    cookie = await house.cookie(key)
    assert await house.who(cookie=cookie) == Principal("tom", "operator")
    house.now += timedelta(minutes=2)
    for secret in (key, late, ""):
        with pytest.raises(Exception, match="no key that still works"):
            await house.enter(secret)
    assert key not in cookie


def test_of_too_many_keys_the_oldest_end() -> None:
    keys = EntryKeys(lambda: T0)
    made = [keys.make(Actor(str(number))) for number in range(MOST + 5)]
    assert [keys.redeem(one) for one in made] == [None] * 5 + [str(n) for n in range(5, MOST + 5)]


async def test_a_session_is_who_the_token_is_now() -> None:
    house = House()
    cookie = await house.cookie(ACME)
    assert await house.who(cookie=cookie) == Principal(
        "acme", "viewer", "acme-*", ("contact.phone",)
    )
    house.settings = {"tokens": [{"name": "acme", "token": ACME, "sources": "globex"}]}
    assert await house.who(cookie=cookie) == Principal("acme", "viewer", "globex")


async def test_another_token_ends_its_sessions_and_no_others() -> None:
    house = House()
    key = await house.cookie(house.keys.make(Actor("tom")))
    cookies = [await house.cookie(one) for one in (ANA, ACME)] + [key]
    house.settings = {
        **SETTINGS,
        "tokens": [{"name": "Ana", "token": "b" * 30, "role": "operator"}],
    }
    found = [await house.who(cookie=one) for one in cookies]
    assert found == [Principal(), Principal(), Principal("tom", "operator")]


async def test_a_restart_keeps_sessions_and_another_store_does_not() -> None:
    house = House()
    cookie = await house.cookie(ANA)
    house.open()
    assert await house.who(cookie=cookie) == Principal("Ana", "operator")
    house.own = b"l" * 32
    assert await house.who(cookie=cookie) == Principal()


async def test_a_session_lasts_while_it_is_used_and_a_week_at_most() -> None:
    house = House()
    cookie = await house.cookie(ANA)
    for hours in range(11, 7 * 24 + 30, 11):
        house.now = T0 + timedelta(hours=hours)
        _, who, answer = await house.ask(cookie=cookie)
        assert (who.role == "operator") == (hours < 7 * 24), hours
        if set_ := answer.headers.get("set-cookie"):
            cookie = set_.partition(";")[0]
            lasts = re.search(r"Max-Age=(\d+)", set_)
            assert lasts is not None
            assert int(lasts[1]) == min(12, 7 * 24 - hours) * 3600


@pytest.mark.parametrize("idle", [12, 13, 200])
async def test_a_session_that_nobody_uses_ends(idle: int) -> None:
    house = House()
    cookie = await house.cookie(ANA)
    house.now += timedelta(hours=idle)
    assert await house.who(cookie=cookie) == Principal()


async def test_a_request_soon_after_another_sets_no_cookie() -> None:
    house = House()
    cookie = await house.cookie(ANA)
    house.now += timedelta(minutes=4)
    assert "set-cookie" not in (await house.ask(cookie=cookie))[2].headers


async def test_a_cookie_is_for_this_site_alone() -> None:
    house = House()
    plain, encrypted = await house.enter(ANA), await house.enter(ANA, PUBLIC)
    rest = "; Path=/; HttpOnly; SameSite=Lax"
    assert re.fullmatch(rf"inbox-watcher=\S+; Max-Age=43200{rest}", plain)
    assert re.fullmatch(rf"__Host-inbox-watcher=\S+; Max-Age=43200{rest}; Secure", encrypted)
    # Over TLS only the one that no other host could have set.
    value = plain.partition(";")[0]
    assert await house.who(base=PUBLIC, cookie=value) == Principal()
    assert await house.who(base=PUBLIC, cookie=f"__Host-{value}") == Principal("Ana", "operator")


async def test_leaving_takes_the_cookie_away() -> None:
    house = House()
    scope = {"headers": [(b"host", b"watcher.example.com")]}
    left = house.entrance.leave(scope)
    assert left.startswith("__Host-inbox-watcher=; Max-Age=0; Path=/")


SECRETS = (ANA, ACME, ALONE)


async def test_no_secret_stands_in_a_cookie_an_answer_or_a_log() -> None:
    house = House()
    with structlog.testing.capture_logs() as log:
        said = [await house.enter(one) for one in SECRETS]
        for one in SECRETS:
            for shown in (one, f"{one}x"):
                answer = (await house.ask(authorization=f"Bearer {shown}"))[2]
                said.append(f"{answer.headers} {answer.text}")
    assert not [one for one in SECRETS if one in f"{said} {log}"]


def altered(text: str) -> Iterator[str]:
    yield from ("", ".", text[:-1], text + "A", text.replace(".", ""), text.partition(".")[0] + ".")
    for place in range(len(text)):
        yield text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def test_an_altered_session_is_none() -> None:
    key = session_key(b"k" * 32, ANA)
    text = write_session(Session("Ana", T0, T0), key)
    assert read_session(text, [key], T0) == (Session("Ana", T0, T0), 0)
    assert [one for one in altered(text) if read_session(one, [key], T0) is not None] == []


@given(st.text(), st.binary(min_size=1), st.text(), st.text())
def test_a_session_is_known_by_its_own_key_alone(
    name: str, own: bytes, one: str, other: str
) -> None:
    text = write_session(Session(name, T0, T0), session_key(own, one))
    found = read_session(text, [session_key(own, other)], T0)
    assert (found is not None) == (one == other)
