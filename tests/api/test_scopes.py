"""Who sees some sources, or not all fields: no route tells him of anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.harness import Door, following
from tests.api.test_api import DAY
from tests.support.make import (
    LEASE,
    T0,
    acted,
    at,
    commit,
    conversation_event,
    delivery,
    settlement,
    snapshot,
)
from watcher.api.access import Principal
from watcher.api.routes import ROUTES, Route
from watcher.model import Contact, Conversation, Message, Reference, rfc3339
from watcher.records import Hold, RuleResult, SourceState
from watcher.redaction import check_redaction
from watcher.store import Store
from watcher.store.memory import MemoryStore

SOURCES = ("acme-north", "acme-south", "globex", "initech-west")
GLOBS = ("acme-*", "globex", "*-west", "*o*", "nothing-*", None)
WORDS = {
    "contact.name": "Rosalinde", "contact.email": "mailbox", "contact.phone": "4955501",
    "assignee.name": "Caretaker", "last_message.text": "Umbrella", "labels": "Marigold",
    "attributes.budget": "Pistachio",
}  # fmt: skip
"""A word that stands in one field alone."""

PATHS = (*WORDS, "contact", "assignee", "last_message", "attributes")


def person(source: str) -> Conversation:
    return Conversation(
        id=f"c-{source}",
        contact=Contact(
            id="p1",
            name=WORDS["contact.name"],
            email=f"{WORDS['contact.email']}@example.com",
            phone=f"+{WORDS['contact.phone']}",
        ),
        unread=True,
        waiting_since=T0,
        assignee=Reference("u1", WORDS["assignee.name"]),
        labels=(WORDS["labels"],),
        last_message=Message(WORDS["last_message.text"], "inbound", "sms", T0),
        attributes={"budget": WORDS["attributes.budget"]},
    )


async def fill(store: Store) -> None:
    """Put the same of every source into a store; all that is of one has its name in it."""
    for source in SOURCES:
        changes = {
            "assignee": {"before": None, "after": {"id": "u1", "name": WORDS["assignee.name"]}}
        }
        happened = conversation_event(
            "conversation.assigned", person(source), source, changes=changes
        )
        happened = replace(happened, id=f"e-{source}", subject=f"c-{source}")
        began = replace(happened, id=f"b-{source}", type="source.baselined", subject=None, data={})
        # Its source is a receiver, which has the name of a source.
        failed = replace(
            began, id=f"f-{source}", type="receiver.failing", data={"reason": "globex"}
        )
        others = [RuleResult(f"rule-{one}", False, f"`source` is no {one}") for one in SOURCES]
        reason = f"`where`: the name is {WORDS['contact.name']}"
        results = (RuleResult(f"rule-{source}", True, reason), *others)
        hold = Hold(
            "absences", T0, (f"c-{source}",), 3, f"the sweep of {source} lacks some", "wait"
        )
        state = SourceState(source, "chatwoot", f"account-{source}", baselined=T0, hold=hold)
        owed = [delivery(one, rule=f"rule-{source}") for one in (happened, began, failed)]
        known = replace(snapshot(f"c-{source}"), conversation=person(source))
        await store.commit(
            commit(*owed, source=source, state=state, snapshots=(known,),
                   verdicts={happened.id: results})
        )  # fmt: skip
        while claimed := await store.claim("team", T0, lease=LEASE, limit=9):
            await store.settle([settlement(one, "dead") for one in claimed])
        await store.acknowledge(source, f"c-{source}", "seen", acted(who=f"agent-{source}"))


def addresses(route: Route) -> Iterator[str]:
    """Yield what a route is asked for: lists, and each thing of every source."""
    if route.path == "/stats":
        yield from (
            f"/stats?kind={kind}&{DAY}" for kind in ("types", "sources", "rules", "receivers")
        )
        yield f"/stats?kind=sources&name=globex&name=acme-north&{DAY}"
        return
    for one in SOURCES:
        match route.path:
            case "/events/{id}":
                yield from (f"/events/{each}-{one}" for each in "ebf")
            case "/deliveries/{id}":
                yield from (f"/deliveries/{each}-{one}" for each in "ebf")
            case "/conversation":
                yield f"/conversation?source={one}&conversation=c-{one}"
            case "/timeline":
                yield f"/timeline?source={one}&conversation=c-{one}"
            case "/why":
                yield f"/why?receiver=team&event=e-{one}"
                yield f"/why?receiver=team&source={one}&conversation=c-{one}&{DAY}"
            case "/events" | "/deliveries" | "/conversations":
                yield f"{route.path}?source={one}"
            case path if "{name}" in path:
                yield path.replace("{name}", one)
    if "{" not in route.path and route.path not in ("/conversation", "/timeline", "/why"):
        yield route.path
    if route.path == "/conversations":
        yield from (f"/conversations?q={quote(one)}" for one in WORDS.values())
        yield f"/conversations?owner={WORDS['assignee.name']}"


def asked() -> Iterator[tuple[Route, str]]:
    for route in ROUTES:
        if route.method == "GET" and route.path != "/events/stream":
            yield from ((route, one) for one in addresses(route))


PRINCIPALS = st.builds(
    Principal,
    st.just("client"),
    st.sampled_from(["viewer", "operator"]),
    st.sampled_from(GLOBS),
    st.lists(st.sampled_from(PATHS), max_size=3, unique=True).map(tuple),
)


def outside(who: Principal) -> list[str]:
    return [one for one in SOURCES if not who.sight.sees(one)]


def hidden(who: Principal) -> list[str]:
    return [
        word
        for path, word in WORDS.items()
        if any(path == one or path.startswith(f"{one}.") for one in who.redact)
    ]


@given(PRINCIPALS)
def test_no_answer_tells_of_anything_else(who: Principal) -> None:
    async def main() -> None:
        store = MemoryStore()
        await fill(store)
        door = Door(store, who=who, watched=SOURCES)
        told: set[str] = set()
        for route, address in asked():
            for accept in ("application/json", "application/x-ndjson", "text/csv"):
                answer = await door.ask("GET", address, headers={"accept": accept})
                assert answer.status in (200, 403, 404), (address, answer.body)
                text = answer.body.decode()
                if answer.status != 200:  # what it was asked for is said again
                    assert route.level == "operator" or answer.status != 403 or who.sources
                    continue
                assert not [one for one in (*outside(who), *hidden(who)) if one in text], address
                told |= {one for one in SOURCES if one in text}
        assert told == {*SOURCES} - {*outside(who)}  # and of all that he sees

    anyio.run(main)


@given(PRINCIPALS)
def test_what_is_outside_is_as_if_it_did_not_exist(who: Principal) -> None:
    async def main() -> None:
        store = MemoryStore()
        await fill(store)
        door = Door(store, who=who, watched=SOURCES)
        empty = Door(MemoryStore(), who=who, watched=SOURCES)
        for route, address in asked():
            about = [one for one in outside(who) if one in address]
            if about and "name=acme-north" not in address:
                here, nowhere = await door.ask("GET", address), await empty.ask("GET", address)
                assert (here.status, here.body) == (nowhere.status, nowhere.body), route.path

    anyio.run(main)


@given(PRINCIPALS)
def test_a_stream_tells_of_nothing_else(who: Principal) -> None:
    async def main() -> None:
        store = MemoryStore()
        await fill(store)
        door = Door(store, who=who, watched=SOURCES)
        seen = len(SOURCES) - len(outside(who))
        async with following(door, "/events/stream?full=true&after=0") as messages:
            # Whoever sees all sources sees the events of receivers, too.
            number = seen * (3 if who.sources is None else 2)
            await messages.until(lambda found: sum("id" in one for one in found) >= number)
        text = str(messages)
        assert not [one for one in (*outside(who), *hidden(who)) if one in text]

    anyio.run(main)


CLIENT = Principal("acme", "operator", "acme-*")


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("PUT", "/acknowledgements?source=globex&conversation=c-globex", None),
        ("DELETE", "/acknowledgements?source=globex&conversation=c-globex", None),
        ("POST", "/sources/globex/hold", {"decision": "accept", "since": rfc3339(T0)}),
    ],
)
async def test_nobody_acts_on_what_is_outside(method: str, address: str, body: object) -> None:
    store = MemoryStore()
    await fill(store)
    before = await store.actions()
    answer = await Door(store, who=CLIENT, watched=SOURCES).ask(method, address, body)
    assert (answer.status, answer.plain["type"]) == (404, "/problems/not-found")
    assert await store.actions() == before


async def test_only_his_own_is_sent_again() -> None:
    store = MemoryStore()
    await fill(store)
    door = Door(store, who=CLIENT, watched=SOURCES)
    for body, number in (({"ids": ["e-globex", "e-acme-north", "f-acme-north"]}, 1), ({}, 3)):
        answer = await door.ask("POST", "/deliveries/retry", body)
        assert answer.plain == {"retried": number}
    assert await store.pending() == {"team": 4}  # of two sources, two each


async def test_a_digest_of_his_and_of_others_is_not_his_to_send_again() -> None:
    store = MemoryStore()
    both = [
        delivery(replace(conversation_event(source=one), id=f"e-{one}"), kind="digest", batch="Rule/09:00")
        for one in ("acme-north", "globex")
    ]  # fmt: skip
    await store.commit(commit(*both))
    together = await store.collect("team", at(60), lease=LEASE)
    await store.settle([settlement(one, "dead") for one in together])
    door = Door(store, who=CLIENT, watched=SOURCES)
    for body in ({"ids": ["e-acme-north"]}, {"ids": [together[0].message]}, {}):
        assert (await door.ask("POST", "/deliveries/retry", body)).plain == {"retried": 0}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_that_does_not_say_so_is_not_for_whoever_sees_some_sources(route: Route) -> None:
    whole = (
        "/silences",
        "/silences/preview",
        "/silences/{id}",
        "/actions",
        "/config/reload",
        "/rules",
        "/why",
    )
    if route.path in whole or route.path.startswith("/receivers"):
        assert not route.scoped


def test_what_hides_a_contact_hides_what_it_is_found_by() -> None:
    assert all(Principal(redact=(check_redaction(one),)).sight.hides_contact
               for one in ("contact", "contact.name", "contact.email", "contact.phone"))  # fmt: skip
