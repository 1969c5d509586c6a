"""People: who waits, who is found, and one conversation with its time and why somebody was not told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from watcher.api.problems import Refusal
from watcher.explain.conversations import only_about
from watcher.explain.values import format_count
from watcher.pages.page import Fields, Form, Moved, Page, Visit
from watcher.pages.rendering import part
from watcher.pages.silences import HOURS

__all__ = ["FORMS", "PAGES"]


async def waiting(visit: Visit) -> Mapping[str, Any]:
    """Return who waits, longest first."""
    given = visit.given("/conversations")
    if visit.one("nobody"):
        given["owner"] = ""
    return {"list": await visit.ask("/conversations", **{**given, "waiting": True})}


async def find(visit: Visit) -> Mapping[str, Any] | Moved:
    """Return whoever is found by name, mail address or phone number, or the one thing that has this id."""
    wanted = visit.one("q").strip()
    if not wanted:
        return {"list": None}
    for route, leads in (("/events/{id}", "/events/"), ("/deliveries/{id}", "/deliveries/")):
        if " " not in wanted and await _there(visit, route, wanted):
            return Moved(f"{leads}{part(wanted)}")
    given = {**visit.given("/conversations"), "q": wanted}
    found = await visit.ask("/conversations", **given)
    if not found["items"] and " " not in wanted:
        known = await visit.ask("/events", conversation=[wanted], limit=1)
        if known["items"]:
            event = known["items"][0]
            return Moved(_address(event["data"]["source"], event["subject"]))
    if len(found["items"]) == 1 and not visit.one("cursor"):
        one = found["items"][0]
        return Moved(_address(one["source"], one["conversation"]["id"]))
    return {"list": found}


async def _there(visit: Visit, route: str, id_: str) -> bool:
    try:
        await visit.ask(route, path={"id": id_})
    except Refusal as refusal:
        if refusal.kind != "not-found":
            raise
        return False
    return True


def _address(source: str, conversation: str) -> str:
    return f"/c/{part(source)}/{part(conversation)}"


async def one(visit: Visit) -> Mapping[str, Any]:
    """Return a conversation as it is known, its time, and why a receiver was not told."""
    source, id_ = visit.path["source"], visit.path["id"]
    about: dict[str, Any] = {"source": source, "conversation": id_}
    found = await visit.ask("/conversation", **about)
    receiver, asks = visit.one("receiver"), visit.who.sources is None
    why = None
    if receiver and asks:
        why = await visit.ask("/why", **about, receiver=receiver, since=visit.now - _span(visit))
    cursor = visit.one("cursor")
    return {
        "known": found,
        "list": await visit.ask("/timeline", **about, cursor=cursor),
        "receivers": await visit.receivers() if asks else (),
        "receiver": receiver,
        "why": why,
        "match": only_about(source, id_),
        "hours": HOURS,
        "days": DAYS,
    }


DAYS: Mapping[str, str] = {"1": "the last day", "7": "the last 7 days", "30": "the last 30 days"}
"""How far back it is asked why somebody was not told."""


def _span(visit: Visit) -> timedelta:
    days = visit.one("days")
    return timedelta(days=int(days) if days in DAYS else 1)


def _taken(answer: Mapping[str, Any], _fields: Fields) -> str:
    taken = answer["taken"] or {}
    cancelled = answer["cancelled"]
    what = f"; {format_count(cancelled, 'reminder')} ended" if cancelled else ""
    return f"{taken.get('who') or 'You'} {'has' if taken.get('who') else 'have'} it{what}."


PAGES: Sequence[Page] = (
    Page("/waiting", "viewer", "waiting.html", "Waiting", waiting, nav=True),
    Page("/find", "viewer", "find.html", "Find", find, live=False),
    Page("/c/{source}/{id:path}", "viewer", "conversation.html", "Conversation", one),
)

FORMS: Sequence[Form] = (
    Form("/ack", "PUT /acknowledgements", said=_taken),
    Form("/ack", "DELETE /acknowledgements", said="Taken back: nobody has it now."),
)
