"""The API: what each route answers, to whom, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest
from jsonschema import Draft202012Validator

from tests.api.harness import HOLD, Door, Messages, fill, following
from tests.support.make import at, commit, delivery, event
from watcher.api import openapi
from watcher.api.application import LARGEST_BODY
from watcher.api.models import Problem, WhyAnswer
from watcher.api.problems import PROBLEMS
from watcher.api.routes import ROUTES, Route
from watcher.feed import MOST_FOLLOWERS
from watcher.model import rfc3339
from watcher.records import Actor, Commit, DeliveryQuery, EventQuery, SourceState
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

DAY = f"since={rfc3339(at(-86400))}&until={rfc3339(at(86400))}"
ASKED = {
    "/stats": f"/stats?kind=sources&{DAY}",
    "/sources/{name}": "/sources/secret-source",
    "/sources/{name}/hold": "/sources/secret-source/hold",
    "/sources/{name}/poll": "/sources/secret-source/poll",
    "/sources/{name}/sweep": "/sources/secret-source/sweep",
    "/events/{id}": "/events/e1",
    "/why": "/why?event=e1&receiver=secret-receiver",
    "/deliveries/{id}": "/deliveries/e1",
    "/conversation": "/conversation?source=secret-source&conversation=c1",
    "/timeline": "/timeline?source=secret-source&conversation=c1",
    "/acknowledgements": "/acknowledgements?source=secret-source&conversation=c1",
    "/silences/{id}": "/silences/s1",
    "/receivers/{name}/test": "/receivers/secret-receiver/test",
    "/receivers/{name}/on": "/receivers/secret-receiver/on",
}
BODIES = {
    "/sources/{name}/hold": {"decision": "discard", "since": rfc3339(HOLD.since)},
    "/deliveries/retry": {"ids": ["e1"]},
    "/silences": {"match": "true", "reason": "noise", "ends": rfc3339(at(60))},
    "/silences/preview": {"match": "true"},
    "/silences/{id}": {"ends": rfc3339(at(60))},
}
READING = [
    one for one in ROUTES if one.method == "GET" and one.path not in ("/events/stream", "/stats")
]


def asked(route: Route) -> str:
    if route.method == "GET" and route.path == "/acknowledgements":
        return "/acknowledgements"
    return ASKED.get(route.path, route.path)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    await fill(store)
    yield store
    await store.close()


def fits(model: type, plain: Any) -> None:
    """Fail if an answer is not what the document says."""
    document = openapi.document()
    schema = {
        "$ref": f"#/components/schemas/{model.__name__}",
        "components": document["components"],
    }
    Draft202012Validator(schema).validate(plain)


@pytest.mark.parametrize("route", READING, ids=lambda route: route.path)
async def test_what_is_read_is_what_the_document_says(store: Store, route: Route) -> None:
    answer = await Door(store).ask("GET", asked(route))
    assert answer.status == 200, answer.plain
    assert answer.headers["cache-control"] == "no-store"
    fits(route.given, answer.plain)
    again = await Door(store).ask(
        "GET", asked(route), headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status, again.body) == (304, b"")
    head = await Door(store).ask("HEAD", asked(route))
    assert head.status == 200


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_whoever_has_not_signed_in_gets_states_and_counts_alone(
    store: Store, route: Route
) -> None:
    before = await store.actions()
    answer = await Door(store, "anybody").ask(route.method, asked(route), BODIES.get(route.path))
    if route.path != "/summary":
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        fits_problem(answer.plain, "not-signed-in")
    assert not [word for word in ("secret", "Secret", "4912345", "c1") if word in answer.body.decode()
                .replace(answer.plain.get("instance", "-"), "")]  # fmt: skip
    assert await store.actions() == before


@pytest.mark.parametrize(
    ("time", "count"),
    [
        ("since=0001-01-01T00:00:00%2B23:59", 2),
        ("since=9999-12-31T23:59:59-23:59", 0),
        ("until=0001-01-01T00:00:00%2B23:59", 0),
        ("until=9999-12-31T23:59:59-23:59", 2),
    ],
)
async def test_a_time_far_away_is_before_or_after_all(store: Store, time: str, count: int) -> None:
    answer = await Door(store).ask("GET", f"/events?{time}")
    assert (answer.status, len(answer.plain["items"])) == (200, count)


def fits_problem(plain: Any, kind: str) -> None:
    fits(Problem, plain)
    status, title = PROBLEMS[kind]
    assert (plain["type"], plain["status"], plain["title"]) == (f"/problems/{kind}", status, title)


async def test_whoever_has_not_signed_in_may_see_how_many_events_there_were(store: Store) -> None:
    answer = await Door(store, "anybody").ask("GET", f"/stats?kind=types&step=whole&{DAY}")
    assert [one["count"] for one in answer.plain["items"]] == [2]
    assert "secret" not in answer.body.decode()


async def test_a_viewer_reads_and_does_nothing(store: Store) -> None:
    door = Door(store, "viewer")
    for route in ROUTES:
        answer = None
        if route.path != "/events/stream":
            answer = await door.ask(route.method, asked(route), BODIES.get(route.path))
        if answer is not None:
            assert (answer.status == 403) == (route.level == "operator"), route.path


@pytest.mark.parametrize(
    ("method", "address", "body", "kind"),
    [
        ("GET", "/nothing", None, "not-found"),
        ("GET", "/api/v2/events", None, "not-found"),
        ("DELETE", "/events", None, "wrong-method"),
        ("GET", "/events/none", None, "not-found"),
        ("GET", "/deliveries/none", None, "not-found"),
        ("GET", "/sources/none", None, "not-found"),
        ("GET", "/sources/none/hold", None, "not-found"),
        ("GET", "/conversation?source=sales&conversation=none", None, "not-found"),
        ("GET", "/conversation?source=sales", None, "invalid"),
        ("GET", "/events?typ=x", None, "invalid"),
        ("GET", "/events?type=nothing", None, "not-found"),
        ("GET", "/events?limit=0", None, "invalid"),
        ("GET", "/events?limit=201", None, "invalid"),
        ("GET", "/events?limit=1&limit=2", None, "invalid"),
        ("GET", "/events?cursor=x", None, "not-found"),
        ("GET", "/conversations?cursor=x", None, "not-found"),
        ("GET", "/actions?cursor=x", None, "not-found"),
        ("GET", "/events?since=yesterday", None, "invalid"),
        ("GET", "/events?since=2026-11-20T10:00:00", None, "invalid"),
        ("GET", "/events?cursor=%C3%A7", None, "invalid"),
        ("GET", "/events?since=0.5", None, "invalid"),
        ("GET", "/deliveries?state=lost", None, "invalid"),
        ("GET", "/stats?kind=words", None, "invalid"),
        ("GET", "/conversations?q=" + "x" * 1001, None, "invalid"),
        ("POST", "/silences", None, "wrong-type"),
        ("POST", "/silences", b"{", "invalid"),
        ("POST", "/silences", b'{"match": "\\ud800", "ends": "2026-11-21T00:00:00Z"}', "invalid"),
        ("POST", "/silences", [], "invalid"),
        ("POST", "/silences", {"match": "sorce ==", "ends": "2026-11-21T00:00:00Z"}, "conflict"),
        ("POST", "/silences", {"match": "true", "ends": "2026-11-19T00:00:00Z"}, "conflict"),
        ("POST", "/silences", {"match": "true"}, "invalid"),
        ("POST", "/silences/preview", {"match": "sorce =="}, "conflict"),
        ("POST", "/silences/preview", {"match": ""}, "invalid"),
        ("POST", "/silences", b" " * (LARGEST_BODY + 1), "too-large"),
        ("POST", "/silences/none", {"ends": "2026-11-21T00:00:00Z"}, "not-found"),
        ("POST", "/deliveries/retry", {"expect": 9}, "count-differs"),
        ("POST", "/sources/secret-source/hold",
         {"decision": "accept", "since": "2026-11-20T10:00:00.001Z"}, "hold-is-over"),
        ("POST", "/sources/secret-source/hold",
         {"decision": "maybe", "since": "2026-11-20T10:00:00Z"}, "invalid"),
        ("PUT", "/acknowledgements?source=secret-source&conversation=none", None, "not-found"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_a_problem_that_says_so(
    store: Store, method: str, address: str, body: Any, kind: str
) -> None:
    before = list(await store.actions()), list(await store.silences())
    answer = await Door(store).ask(method, address, body)
    assert answer.headers["content-type"] == "application/problem+json"
    fits_problem(answer.plain, kind)
    assert answer.status == PROBLEMS[kind][0]
    assert (list(await store.actions()), list(await store.silences())) == before


async def test_pages_lead_to_all_by_the_addresses_that_they_give() -> None:
    store = MemoryStore()
    for number in range(23):
        await store.commit(commit(delivery(event(f"{number:02}", seconds=number))))
    door = Door(store)
    for path in ("/events", "/deliveries"):
        found, address = [], f"{path}?limit=5&type=conversation.*&type=source.*"
        while address:
            answer = await door.ask("GET", address)
            found += [one["id"] for one in answer.plain["items"]]
            address = answer.plain["next"]
            assert address is None or f'<{address}>; rel="next"' in answer.headers["link"]
            assert address is None or "type=conversation.%2A&type=source.%2A" in address
        assert found == [f"{number:02}" for number in range(22, -1, -1)]
        lines = await door.ask("GET", path, headers={"accept": "application/x-ndjson"})
        assert [json.loads(line)["id"] for line in lines.body.splitlines()] == found[::-1]


async def test_events_are_what_receivers_get(store: Store) -> None:
    found = await store.events(EventQuery())
    answer = await Door(store).ask("GET", "/events")
    assert answer.plain["items"] == [one.event.to_plain() for one in reversed(found)]


async def test_what_is_done_is_done_once_and_leaves_who_did_it(store: Store) -> None:
    door = Door(store)
    ana = {"x-actor": " Ana\tB "}
    address = "/acknowledgements?source=secret-source&conversation=c1"
    await door.ask("DELETE", address, headers=ana)
    await store.commit(
        commit(
            delivery(event("e9", source="secret-source"), timer="Slow", due=900),
            source="secret-source",
        )
    )
    first = await door.ask("PUT", address, headers=ana)
    second = await door.ask("PUT", address, headers={"x-actor": "Bo"})
    assert (first.plain["cancelled"], second.plain["cancelled"]) == (1, 0)
    assert second.plain["taken"]["who"] == "Ana B"
    (made,) = [(await door.ask("POST", "/silences", BODIES["/silences"], ana)).plain["id"]]
    assert (
        await door.ask("POST", f"/silences/{made}", {"ends": rfc3339(at(99))}, ana)
    ).status == 200
    ended = [(await door.ask("DELETE", f"/silences/{made}")).plain["done"] for _ in range(2)]
    assert ended == [True, False]
    again = [
        (await door.ask("POST", "/deliveries/retry", {"expect": 1}, ana)).plain for _ in range(1)
    ]
    assert again == [{"retried": 1}]
    hold = BODIES["/sources/{name}/hold"]
    decided = [
        (await door.ask("POST", "/sources/secret-source/hold", hold)).status for _ in range(2)
    ]
    assert decided == [200, 409]
    done = [one.action for one in await store.actions(limit=8)]
    assert [one.what for one in done] == [
        "discard hold", "send again", "end silence", "extend silence", "silence", "acknowledge",
        "acknowledge", "take back",
    ]  # fmt: skip
    assert {one.by for one in done} == {Actor("", "api"), Actor("Ana B", "api"), Actor("Bo", "api")}


async def test_a_refused_configuration_is_a_problem() -> None:
    door = Door(MemoryStore(), reloaded={"problems": ["rules.yaml:3: wrong"]})
    answer = await door.ask("POST", "/config/reload")
    assert answer.status == 409
    assert answer.plain["errors"] == [{"pointer": "", "detail": "rules.yaml:3: wrong"}]


async def test_a_filter_sends_the_dead_again_that_fit_it() -> None:
    store = MemoryStore()
    for name in ("crm", "team"):
        await store.commit(commit(delivery(event(name), receiver=name, state="dead")))
    answer = await Door(store).ask("POST", "/deliveries/retry", {"receiver": "crm", "expect": 1})
    assert answer.plain == {"retried": 1}
    dead = await store.deliveries(DeliveryQuery(state="dead"))
    assert [one.receiver for one in dead] == ["team"]


@pytest.mark.parametrize("kind", PROBLEMS)
async def test_the_type_of_a_problem_leads_to_what_it_is(kind: str) -> None:
    door = Door(MemoryStore(), "anybody")
    answer = await door.ask("GET", f"/problems/{kind}")
    status, title = PROBLEMS[kind]
    assert answer.plain == {"type": f"/problems/{kind}", "title": title, "status": status}
    assert (await door.ask("GET", "/problems/none")).status == 404


# -- the stream ---------------------------------------------------------------------------------


async def record(store: Store, door: Door, *ids: str, source: str = "sales") -> None:
    for id_ in ids:
        await store.commit(Commit(source, events=(event(id_, source=source),)))
        door.feed.tell()


async def until(messages: Messages, last: str) -> list[str]:
    """Wait for an event; return the ids of all that have come."""
    await messages.until(
        lambda them: bool(them) and json.loads(them[-1].get("data", "{}")).get("id") == last
    )
    return [json.loads(one["data"])["id"] for one in messages if one.get("event") == "event"]


async def test_whoever_follows_gets_each_event_once_in_order_however_often_the_line_breaks() -> (
    None
):
    store = MemoryStore()
    door = Door(store)
    found: list[str] = []
    last = "0"
    expected: list[str] = []
    for turn in range(20):
        ids = [f"{turn}.{number}" for number in range(turn % 3 + 1)]
        if turn % 2:
            await record(store, door, *ids)  # while nobody follows
        async with following(door, "/events/stream", {"last-event-id": last}) as messages:
            if not turn % 2:
                await messages.until(bool)
                await anyio.wait_all_tasks_blocked()
                await record(store, door, *ids)
            found += await until(messages, ids[-1])
            last = messages[-1]["id"]
        expected += ids
    assert found == expected
    assert door.feed.followers == 0


async def test_a_stream_begins_with_what_comes_and_shows_what_was_asked_for() -> None:
    store = MemoryStore()
    door = Door(store)
    await record(store, door, "old")
    async with following(door, "/events/stream?source=sales&full=true") as messages:
        await messages.until(bool)
        await anyio.wait_all_tasks_blocked()
        await record(store, door, "1", source="leads")
        await record(store, door, "2")
        assert await until(messages, "2") == ["2"]
    found = await store.events(EventQuery(id="2"))
    assert json.loads(messages[-1]["data"])["event"] == found[0].event.to_plain()


async def test_a_place_of_another_store_is_told_and_left() -> None:
    store = MemoryStore()
    door = Door(store)
    await record(store, door, "old")
    async with following(door, "/events/stream?after=99") as messages:
        await messages.until(lambda them: len(them) > 1)
        assert messages[-1]["event"] == "gap"
        await record(store, door, "new")
        assert await until(messages, "new") == ["new"]


async def test_few_follow_and_all_end_with_the_daemon() -> None:
    door = Door(MemoryStore())
    async with anyio.create_task_group() as tasks:
        ended: list[str] = []

        async def follow() -> None:
            async with following(door, "/events/stream") as messages:
                await messages.until(lambda them: bool(them) and them[-1].get("event") == "end")
                ended.append(messages[-1]["event"])

        for _ in range(MOST_FOLLOWERS):
            tasks.start_soon(follow)
        await anyio.wait_all_tasks_blocked()
        assert door.feed.followers == MOST_FOLLOWERS
        answer = await door.ask("GET", "/events/stream")
        fits_problem(answer.plain, "busy")
        assert answer.headers["retry-after"] == "15"
        door.feed.close()
    assert ended == ["end"] * MOST_FOLLOWERS
    assert door.feed.followers == 0


# -- the document -------------------------------------------------------------------------------


def test_the_document_has_every_route_and_every_reference_leads_somewhere() -> None:
    document = json.loads(json.dumps(openapi.document()))
    assert document["openapi"] == "3.1.0"
    found = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert found == {(one.method, one.path) for one in ROUTES}
    names = [
        one["operationId"] for methods in document["paths"].values() for one in methods.values()
    ]
    assert len(names) == len(set(names))

    def follow(part: Any) -> None:
        if isinstance(part, dict):
            if (reference := part.get("$ref")) is not None:
                at_: Any = document
                for step in reference.removeprefix("#/").split("/"):
                    at_ = at_[step]
            for one in part.values():
                follow(one)
        elif isinstance(part, list):
            for one in part:
                follow(one)

    follow(document)
    assert set(document["webhooks"]) == {"event"}
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert schema.get("description"), name


def test_a_path_with_a_name_comes_after_those_without() -> None:
    for number, one in enumerate(ROUTES):
        for later in ROUTES[number + 1 :]:
            parts, others = one.path.split("/"), later.path.split("/")
            hides = len(parts) == len(others) and all(
                a == b or a.startswith("{") for a, b in zip(parts, others, strict=True)
            )
            assert not hides or one.path == later.path, f"{one.path} hides {later.path}"


async def test_the_document_is_for_everybody() -> None:
    answer = await Door(MemoryStore(), "anybody").ask("GET", "/openapi.json")
    assert answer.plain == json.loads(json.dumps(openapi.document()))


@pytest.mark.parametrize("id_", ["ü/ß", "a b", "%00", "..", "'; --", "🙂" * 50])
async def test_odd_ids_are_only_ids(id_: str) -> None:
    for path in ("/events/", "/deliveries/", "/sources/"):
        answer = await Door(MemoryStore()).ask("GET", path + quote(id_, safe=""))
        assert answer.status in (404, 422)
    odd = quote(id_, safe="")
    answer = await Door(MemoryStore()).ask("GET", f"/conversation?source={odd}&conversation={odd}")
    assert answer.status == 404


async def test_why_somebody_was_not_told(store: Store) -> None:
    of_event = await Door(store).ask("GET", "/why?event=e1&receiver=team")
    assert of_event.status == 200
    fits(WhyAnswer, of_event.plain)
    assert [one["kind"] for one in of_event.plain["findings"]] == ["no-rule"]
    about = "source=secret-source&conversation=c1"
    spanned = await Door(store).ask("GET", f"/why?{about}&receiver=team&{DAY}")
    assert spanned.plain["findings"] == of_event.plain["findings"]
    assert spanned.plain["since"] == rfc3339(at(-86400))
    wrong = await Door(store).ask("GET", f"/why?{about}&receiver=nobody")
    assert [one["kind"] for one in wrong.plain["findings"]] == ["no-receiver"]
    for given, status in (("event=none", 404), ("source=secret-source", 404)):
        assert (await Door(store).ask("GET", f"/why?{given}&receiver=team")).status == status


async def test_a_source_is_read_when_it_is_asked_for_and_not_too_often() -> None:
    store = MemoryStore()
    await store.commit(commit(source="sales", state=SourceState("sales", "chatwoot", "x")))
    door = Door(store, watched=("sales",))
    done = await door.ask("POST", "/sources/sales/poll")
    assert (done.status, done.plain) == (202, {"done": True})
    often = await door.ask("POST", "/sources/sales/sweep")
    assert (often.status, often.headers["retry-after"]) == (429, "8")


async def test_a_timeline_has_the_deliveries_of_every_event_on_every_page(store: Store) -> None:
    receivers = [f"r{number}" for number in range(5)]
    for number in range(60):
        about = event(f"t{number}", seconds=60 * number)
        await store.commit(
            commit(*(delivery(about, receiver=one) for one in receivers), source="sales")
        )
    door, seen = Door(store), []
    address = "/timeline?source=sales&conversation=c1"
    while address:
        page = (await door.ask("GET", address)).plain
        for one in page["items"]:
            assert sorted(each["receiver"] for each in one["deliveries"]) == receivers
        seen += [one["event"]["id"] for one in page["items"]]
        address = page["next"]
    assert seen == [f"t{number}" for number in range(59, -1, -1)]


async def test_a_timeline_without_events_shows_when_nobody_could_look(store: Store) -> None:
    blind = event("b1", type="source.failing", subject=None, seconds=60)
    await store.commit(commit(source="sales", events=(blind,)))
    page = (await Door(store).ask("GET", "/timeline?source=sales&conversation=c1")).plain
    assert [(one["kind"], one["event"]["id"]) for one in page["items"]] == [("trouble", "b1")]
