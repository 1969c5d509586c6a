"""The fake HighLevel's doors: headers in their order, quotas, the bodies of errors, OAuth."""

from __future__ import annotations

from typing import Any

import httpx  # noqa: TID251 - type of the answers
import pytest
from leadconnector_stage import SEARCH, headers, search
from stand import Stage, ask

from watcher.simulator import leadconnector
from watcher.simulator.oauth import OAuth


@pytest.mark.parametrize("version", ["2021-04-15", "2021-07-28", "2023-02-21", "v3"])
async def test_each_published_version_is_accepted(version: str) -> None:
    stage = Stage("highlevel")
    app = leadconnector.app(stage.world)
    answer = await ask(
        app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(stage, Version=version)
    )
    assert answer.status_code == 200


async def test_headers_are_checked_in_order_token_version_scope_location() -> None:
    stage = Stage("highlevel")
    bad = headers(stage, Authorization="Bearer wrong")
    good = headers(stage)
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
        app = leadconnector.app(stage.world, options)
        answer = await ask(app, "GET", SEARCH, params={"locationId": location}, headers=sent)
        assert (answer.status_code, answer.json()["message"]) == (status, message)


async def test_quota_headers_stand_on_every_answer_and_429_has_no_retry_after() -> None:
    stage = Stage("highlevel")
    app = leadconnector.app(stage.world)
    refused = await ask(app, "GET", SEARCH)
    assert refused.headers["X-RateLimit-Max"] == "100"
    for left in range(99, -1, -1):
        answer = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(stage))
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
    assert answer.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert answer.headers["X-RateLimit-Limit-Daily"] == "200000"
    assert answer.headers["X-RateLimit-Daily-Remaining"] == "199900"
    limited = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(stage))
    assert (limited.status_code, limited.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert "Retry-After" not in limited.headers
    stage.clock.forward(10)
    again = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(stage))
    assert again.status_code == 200


async def test_the_days_quota_ends_too() -> None:
    stage = Stage("highlevel")
    app = leadconnector.app(stage.world, leadconnector.Options(daily=2))
    statuses = []
    for _ in range(3):
        stage.clock.forward(20)
        answer = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(stage))
        statuses.append((answer.status_code, answer.headers["X-RateLimit-Daily-Remaining"]))
    assert statuses == [(200, "1"), (200, "0"), (429, "0")]


@pytest.mark.parametrize("messages", ["string", "array"])
async def test_an_errors_message_is_a_string_or_an_array(messages: Any) -> None:
    stage = Stage("highlevel")
    for params in ({"sort": "up"}, {"startAfterDate": "soon"}, {"limit": "many"}):
        answer = await search(stage, {"messages": messages}, **params)
        assert answer.status_code == 422
        assert isinstance(answer.json()["message"], str) is (messages == "string")


async def test_a_location_must_be_named() -> None:
    stage = Stage("highlevel")
    answer = await ask(leadconnector.app(stage.world), "GET", SEARCH, headers=headers(stage))
    assert (answer.status_code, answer.json()["message"]) == (422, ["locationId must be a string"])


async def test_oauth_tokens_end_after_a_day_and_each_refresh_kills_the_old_refresh_token() -> None:
    stage = Stage("highlevel")
    oauth = OAuth("3", stage.clock())
    app = leadconnector.app(stage.world, leadconnector.Options(oauth=oauth))

    async def status(token: str) -> int:
        sent = headers(stage, Authorization=f"Bearer {token}")
        return (await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=sent)).status_code

    async def refresh(token: str) -> httpx.Response:
        form = {
            "client_id": "app", "client_secret": "simulated", "grant_type": "refresh_token",
            "refresh_token": token, "user_type": "Location",
        }  # fmt: skip
        return await ask(app, "POST", "/oauth/token", data=form)

    first = oauth.access
    assert await status(first) == 200
    stage.clock.forward(86_400)
    assert await status(first) == 401
    assert await status(stage.account.token) == 200  # a private integration token is static
    old = oauth.refresh_token
    renewed = (await refresh(old)).json()
    assert renewed["expires_in"] == 86_399
    assert renewed["refresh_token"] != old
    assert await status(renewed["access_token"]) == 200
    assert (await refresh(old)).status_code == 400
