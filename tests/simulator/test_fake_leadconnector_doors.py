"""The fake HighLevel's doors: headers in their order, quotas, the bodies of errors, OAuth."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers
import pytest

from tests.simulator.asking_leadconnector import SEARCH, headers, search
from tests.simulator.harness import Harness, ask
from watcher.simulator import leadconnector
from watcher.simulator.leadconnector.oauth import OAuth


@pytest.mark.parametrize("version", ["2021-04-15", "2021-07-28", "2023-02-21", "v3"])
async def test_each_published_version_is_accepted(version: str) -> None:
    harness = Harness("highlevel")
    app = leadconnector.app(harness.world)
    answer = await ask(
        app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(harness, Version=version)
    )
    assert answer.status_code == 200


async def test_headers_are_checked_in_order_token_version_scope_location() -> None:
    harness = Harness("highlevel")
    bad = headers(harness, Authorization="Bearer wrong")
    good = headers(harness)
    unscoped = leadconnector.Options(scopes=frozenset())
    steps: list[tuple[dict[str, str], leadconnector.Options | None, str, int, str]] = [
        ({}, unscoped, "9", 401, "Invalid token: access token is invalid"),
        (bad, unscoped, "9", 401, "Invalid token: access token is invalid"),
        ({"Authorization": good["Authorization"]}, unscoped, "9", 401,
         "version header was not found."),
        (good | {"Version": "1999-01-01"}, unscoped, "9", 401, "version header is invalid"),
        (good, unscoped, "9", 401, "The token is not authorized for this scope."),
        (good, None, "9", 403, "The token does not have access to this location"),
    ]  # fmt: skip
    for sent, options, location, status, message in steps:
        app = leadconnector.app(harness.world, options)
        answer = await ask(app, "GET", SEARCH, params={"locationId": location}, headers=sent)
        assert (answer.status_code, answer.json()["message"]) == (status, message)


async def test_quota_headers_stand_on_every_answer_and_429_has_no_retry_after() -> None:
    harness = Harness("highlevel")
    app = leadconnector.app(harness.world)
    refused = await ask(app, "GET", SEARCH)
    assert refused.headers["X-RateLimit-Max"] == "100"
    for left in range(99, -1, -1):
        answer = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(harness))
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
    assert answer.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert answer.headers["X-RateLimit-Limit-Daily"] == "200000"
    assert answer.headers["X-RateLimit-Daily-Remaining"] == "199900"
    limited = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(harness))
    assert (limited.status_code, limited.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert "Retry-After" not in limited.headers
    harness.clock.forward(10)
    again = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(harness))
    assert again.status_code == 200


async def test_the_days_quota_ends_too() -> None:
    harness = Harness("highlevel")
    app = leadconnector.app(harness.world, leadconnector.Options(daily=2))
    statuses = []
    for _ in range(3):
        harness.clock.forward(20)
        answer = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(harness))
        statuses.append((answer.status_code, answer.headers["X-RateLimit-Daily-Remaining"]))
    assert statuses == [(200, "1"), (200, "0"), (429, "0")]


@pytest.mark.parametrize("messages", ["string", "array"])
async def test_an_errors_message_is_a_string_or_an_array(messages: Any) -> None:
    harness = Harness("highlevel")
    for params in ({"sort": "up"}, {"startAfterDate": "soon"}, {"limit": "many"}):
        answer = await search(harness, {"messages": messages}, **params)
        assert answer.status_code == 422
        assert isinstance(answer.json()["message"], str) is (messages == "string")


async def test_a_location_must_be_named() -> None:
    harness = Harness("highlevel")
    answer = await ask(leadconnector.app(harness.world), "GET", SEARCH, headers=headers(harness))
    assert (answer.status_code, answer.json()["message"]) == (422, ["locationId must be a string"])


async def test_oauth_tokens_end_after_a_day_and_each_refresh_kills_the_old_refresh_token() -> None:
    harness = Harness("highlevel")
    oauth = OAuth("3", harness.clock())
    app = leadconnector.app(harness.world, leadconnector.Options(oauth=oauth))

    async def status(token: str) -> int:
        sent = headers(harness, Authorization=f"Bearer {token}")
        return (await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=sent)).status_code

    async def refresh(token: str) -> httpx.Response:
        form = {
            "client_id": "app", "client_secret": "simulated", "grant_type": "refresh_token",
            "refresh_token": token, "user_type": "Location",
        }  # fmt: skip
        return await ask(app, "POST", "/oauth/token", data=form)

    first = oauth.access
    assert await status(first) == 200
    harness.clock.forward(86_400)
    assert await status(first) == 401
    assert await status(harness.account.token) == 200  # a private integration token is static
    old = oauth.refresh_token
    renewed = (await refresh(old)).json()
    assert renewed["expires_in"] == 86_399
    assert renewed["refresh_token"] != old
    assert await status(renewed["access_token"]) == 200
    assert (await refresh(old)).status_code == 400
