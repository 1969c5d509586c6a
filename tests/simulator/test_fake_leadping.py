"""The fake Leadping does what Leadping's contract says, and what it leaves open by option."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx  # noqa: TID251 - type of the answers
import pytest

from tests.simulator.asking_leadping import MY, post
from tests.simulator.harness import Harness, ask
from watcher.simulator import Agent, Viewer, leadping
from watcher.simulator.leadping.rows import Era


async def test_only_post_lists_and_a_wrong_method_gets_405_without_a_body() -> None:
    harness = Harness("leadping")
    answer = await ask(leadping.app(harness.world), "GET", MY)
    assert (answer.status_code, answer.content) == (405, b"")
    assert "POST" in answer.headers["Allow"]


async def test_a_body_of_json_is_required() -> None:
    harness = Harness("leadping")
    headers = {"Authorization": f"Bearer {harness.account.token}"}
    for content in (b"", b"{", b"[]"):
        answer = await ask(
            leadping.app(harness.world), "POST", MY, content=content, headers=headers
        )
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        {"pageSize": True},
        {"pageSize": "ten"},
        {"pageSize": 0},
        {"continuationToken": 7},
        {"orderBy": {"field": "id"}},
        {"orderBy": [{"field": "shoeSize"}]},
        {"orderBy": [{"direction": "asc"}]},
        {"orderBy": [{"field": "id", "direction": "up"}]},
        {"includeCount": "yes"},
        {"filters": [{"field": "shoeSize", "value": 1}]},
        {"rangeFilters": [{"field": "lastEventAt", "greaterThan": "yesterday"}]},
        {"continuationToken": "made-up"},
    ],
)
async def test_wrong_types_and_unknown_fields_are_400(body: dict[str, Any]) -> None:
    harness = Harness("leadping", conversations=2)
    answer = await post(harness, body)
    assert answer.status_code == 400
    assert answer.json()["status"] == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "active"), ("active", "active"), ("Archived", "archived"), ("ALL", "all"),
        ("0", "active"), ("1", "archived"), ("2", "all"),
    ],
)  # fmt: skip
async def test_the_archive_filter_takes_names_and_numbers(given: str | None, expected: str) -> None:
    harness = Harness("leadping")
    away, here = harness.create("Hi"), harness.create("Hi")
    harness.world.archive(away, 3)
    answer = await post(harness, path=MY if given is None else f"{MY}?archiveFilter={given}")
    ids = {item["id"] for item in answer.json()["items"]}
    assert ids == {
        "active": {here.id}, "archived": {away.id}, "all": {here.id, away.id},
    }[expected]  # fmt: skip


async def test_the_archive_filter_may_take_only_names_or_only_numbers_and_nothing_unknown() -> None:
    harness = Harness("leadping")
    for given, accepted, fits in (
        ("2", "names", 400), ("all", "numbers", 400), ("3", "both", 400), ("every", "both", 400),
        ("2", "numbers", 200), ("all", "names", 200),
    ):  # fmt: skip
        answer = await post(harness, path=f"{MY}?archiveFilter={given}", archive_filter=accepted)
        assert answer.status_code == fits, given


SEED_KEYS = {
    "id", "leadId", "firstName", "lastName", "lastSnippet", "lastEventAt", "statusReason",
    "archivedAt", "archiveReason", "isArchived", "nextStep", "isUnread", "phoneNumber",
    "outboundPhoneNumberOverrideId", "activeOutboundPhoneNumberId",
}  # fmt: skip
JUNE_KEYS = SEED_KEYS | {"leadPhoneNumber", "status"}
LATE_KEYS = JUNE_KEYS | {"email", "avatarUrl", "lastEventIsInternalNote", "currentLeadStatus"}


@pytest.mark.parametrize(
    ("era", "keys"),
    [
        ("seed", SEED_KEYS | {"currentDisposition"}),
        ("june", JUNE_KEYS | {"currentDisposition"}),
        ("august", LATE_KEYS),
        ("september", LATE_KEYS),
    ],
)
async def test_a_row_has_the_shape_of_its_month(era: Era, keys: set[str]) -> None:
    harness = Harness("leadping")
    conversation = harness.create("Hi")
    harness.world.set_disposition(conversation, "won", "Won", "Sold", "u1", "Converted")
    item = (await post(harness, era=era)).json()["items"][0]
    assert set(item) == keys
    outcome = item.get("currentLeadStatus") or item["currentDisposition"]
    assert (outcome["displayName"], outcome["changedByUserId"]) == ("Won", "u1")
    assert ("category" in outcome) is (era != "seed")
    refused = await post(harness, {"pageSize": 0}, era=era)
    assert ("traceId" in refused.json()) is (era == "september")


async def test_a_note_is_the_last_event_and_times_have_up_to_seven_digits() -> None:
    harness = Harness("leadping")
    conversation = harness.create("Hi")
    harness.clock.forward(0.25)
    harness.world.message(conversation, "VIP", "internal")
    item = (await post(harness, time_digits=7)).json()["items"][0]
    assert item["lastEventIsInternalNote"] is True
    assert item["lastEventAt"] == "2026-11-20T10:00:01.2500000Z"


async def test_unread_depends_on_whose_token_asks() -> None:
    harness = Harness("leadping")
    harness.account.tokens["other"] = Viewer(user="eve")
    conversation = harness.create("Hi")
    harness.world.read(conversation)
    mine = (await post(harness)).json()["items"][0]
    theirs = (await post(harness, token="other")).json()["items"][0]
    assert (mine["isUnread"], theirs["isUnread"]) == (False, True)
    harness.world.read(conversation, by=Agent("eve", "Eve"))
    assert (await post(harness, token="other")).json()["items"][0]["isUnread"] is False


async def test_filters_ranges_and_search_narrow_the_list() -> None:
    harness = Harness("leadping")
    old = harness.create("Where is my parcel?")
    harness.clock.forward(60)
    since = harness.clock().isoformat()
    new = harness.create("Hello")
    harness.world.read(new)
    bound = [{"field": "lastEventAt", "greaterThanOrEqual": since}]
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"rangeFilters": bound}, {new.id}),
        ({"filters": [{"field": "isUnread", "value": True}]}, {old.id}),
        ({"search": "parcel"}, {old.id}),
    ]
    for body, ids in cases:
        assert {item["id"] for item in (await post(harness, body)).json()["items"]} == ids
    assert (await post(harness, {"rangeFilters": bound}, range_filters=False)).status_code == 400


async def test_all_conversations_of_a_lead_archived_ones_included() -> None:
    harness = Harness("leadping", conversations=3)
    one = harness.create("Hi")
    two = harness.create("Hi", contact=one.state.contact)
    harness.world.archive(one)
    answer = await post(harness, path=f"/conversations/lead/{one.state.contact.id}")
    assert {item["id"] for item in answer.json()["items"]} == {one.id, two.id}


async def test_one_lead_is_there_unknown_not_owned_or_deleted() -> None:
    harness = Harness("leadping")
    headers = {"Authorization": f"Bearer {harness.account.token}"}
    here, hidden, gone = harness.create("Hi"), harness.create("Hi"), harness.create("Hi")
    harness.world.revoke_access(hidden)
    harness.world.delete(gone)

    async def lead(name: str, **options: Any) -> httpx.Response:
        app = leadping.app(harness.world, leadping.Options(**options))
        return await ask(app, "GET", f"/leads/{name}", headers=headers)

    found = await lead(here.state.contact.id)
    assert (found.status_code, found.json()["deletedAt"]) == (200, None)
    unknown = await lead("nobody")
    assert (unknown.status_code, unknown.json()["detail"]) == (
        404,
        "The specified lead was not found.",
    )
    foreign = await lead(hidden.state.contact.id)
    assert foreign.status_code == 401
    assert "does not own" in foreign.json()["detail"]
    assert (await lead(gone.state.contact.id)).status_code == 404
    soft = await lead(gone.state.contact.id, deleted_lead="deletedAt")
    assert (soft.status_code, soft.json()["deletedAt"]) == (200, "2026-11-20T10:00:03.000Z")
    listed = (await post(harness)).json()["items"]
    assert [item["id"] for item in listed] == [here.id]


@pytest.mark.parametrize("token", ["sk_unknown", "lp_src_simulated"])
async def test_a_wrong_token_or_a_source_key_is_401_with_a_challenge(token: str) -> None:
    harness = Harness("leadping")
    harness.account.tokens["lp_src_simulated"] = Viewer()
    answer = await post(harness, token=token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer resource_metadata=")
    assert answer.json()["title"] == "Unauthorized"


@pytest.mark.parametrize("told", [True, False])
async def test_the_301st_request_in_a_minute_is_429_with_or_without_retry_after(told: bool) -> None:
    harness = Harness("leadping")
    app = leadping.app(harness.world, leadping.Options(retry_after=told))
    headers = {"Authorization": f"Bearer {harness.account.token}"}
    for _ in range(300):
        answer = await ask(app, "POST", MY, json={}, headers=headers)
        assert answer.status_code == 200
        assert not any("ratelimit" in name.lower() for name in answer.headers)
    harness.clock.forward(20)
    limited = await ask(app, "POST", MY, json={}, headers=headers)
    assert limited.status_code == 429
    assert limited.json()["title"] == "Too many requests."
    assert limited.headers.get("Retry-After") == ("40" if told else None)
    harness.clock.forward(40)
    assert (await ask(app, "POST", MY, json={}, headers=headers)).status_code == 200


async def test_health_asks_for_no_token() -> None:
    harness = Harness("leadping")
    answer = await ask(leadping.app(harness.world), "GET", "/")
    assert answer.json() == {"status": "ok", "service": "leadping-api"}


async def test_each_organization_sees_its_own() -> None:
    harness = Harness("leadping", conversations=2)
    other = harness.world.open_account("leadping", "4", conversations=3)
    path = f"{MY}?archiveFilter=all"
    mine = (await post(harness, path=path)).json()["items"]
    theirs = (await post(harness, path=path, token=other.token)).json()["items"]
    assert (len(mine), len(theirs)) == (2, 3)
    assert harness.clock() - timedelta(days=31) < harness.account.living()[0].state.created_at
