"""What is fuzzed: every provider with and without a mapping, at every kind of request.

Rules: a subject is built from nothing but its name, so that a page can be made again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from watcher.mapping import FieldMapping, compile_mapping
from watcher.model import Contact, Conversation
from watcher.providers import (
    Check,
    LookUp,
    Members,
    Motion,
    Poll,
    Provider,
    Sweep,
)
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.providers.leadconnector import (
    HighLevel,
    HighLevelSettings,
    Leadway,
    LeadwaySettings,
)
from watcher.providers.leadping import Leadping, LeadpingSettings

from .answers import NOW

__all__ = ["SUBJECTS", "TOKEN", "Subject", "tied_page"]

TOKEN = "not-to-be-seen"
SHAPES = Path(__file__).parents[1] / "providers"

FIELDS: Mapping[str, Mapping[str, str]] = {
    "chatwoot": {
        "disposition": "custom_attributes.outcome || meta.sender.custom_attributes",
        "labels": "sort(labels)",
        "priority": "max_by(messages, &created_at).content",
        "team": "meta.team",
        "unread": "unread_count > `0`",
        "attributes.all": "@",
        "attributes.total": "sum(messages[].id)",
        "attributes.text": "join('-', labels)",
    },
    "highlevel": {
        "disposition": "opportunities[0]",
        "labels": "tags",
        "assignee": "{id: assignedTo, name: userId}",
        "archived": "deleted",
        "attributes.sum": "sum(messageTypes)",
        "attributes.all": "@",
        "attributes.number": "to_number(fullName)",
    },
    "leadping": {
        "disposition": "currentLeadStatus",
        "priority": "nextStep",
        "status": "statusReason",
        "contact.phone": "phoneNumber.value",
        "attributes.all": "@",
        "attributes.keys": "keys(@)",
        "attributes.low": "min_by([phoneNumber], &id)",
    },
}
"""Mappings that take whatever a row has, through functions that mind what they get."""

LEARNED: Mapping[str, tuple[dict[str, Any], ...]] = {
    "chatwoot": ({}, {"updated_within": False}, {"updated_within": True}),
    "highlevel": ({}, {"ascending": False}, {"limit": 20}),
    "leadping": ({},),
}


@dataclass(frozen=True)
class Subject:
    """One provider, its motions by name, and the texts of real pages."""

    name: str
    make: Callable[[bool, dict[str, Any]], Provider]
    motions: Mapping[str, Motion]
    shapes: tuple[str, ...]
    fields: FieldMapping
    capabilities: tuple[dict[str, Any], ...]


def _read(folder: str) -> tuple[str, ...]:
    """Return the recorded bodies, lists of conversations more often than what else is answered."""
    files = [path.read_text() for path in sorted((SHAPES / folder).glob("*.json"))]
    if folder == "leadconnector":
        refusals = json.loads((SHAPES / folder / "refusals.json").read_text())
        files += [json.dumps(one) for one in refusals.values()]
        files += [tied_page(30), tied_page(20)]
    lists = [text for text in files if re.search(r'"(payload|items|conversations)":', text)]
    return (*files, *(lists * 6))


def tied_page(count: int) -> str:
    """Return a page of HighLevel's whose rows all have one millisecond."""
    at = 1_786_082_787_710
    rows = [
        {
            "id": f"t{number}", "lastMessageDate": at, "sort": [at], "unreadCount": number % 2,
            "dateAdded": at - 1_000 * (number % 7), "assignedTo": f"u{number % 3}",
        }
        for number in range(count)
    ]  # fmt: skip
    return json.dumps({"conversations": rows, "total": 5 * count})


def _motions(sets: tuple[str, ...], id_: str, contact: str) -> dict[str, Motion]:
    known = Conversation(id_, contact=Contact(id=contact))
    hour = timedelta(hours=1)
    return {
        "poll": Poll(timedelta(seconds=30), NOW - hour),
        "late poll": Poll(9 * hour),
        "sweep": Sweep(),
        "check": Check(),
        "look-up": LookUp(known, "absent"),
        "suspicion": LookUp(known, "suspect"),
        "look-up without contact": LookUp(Conversation(id_), "absent"),
        **{f"set {name}": Members(name) for name in sets},
    }


def _chatwoot(raw: bool, settings: dict[str, Any]) -> Provider:
    given = {"base_url": "https://chat.example.com", "account_id": 3, "token": TOKEN, **settings}
    return Chatwoot(ChatwootSettings(**given), raw=raw)


def _highlevel(raw: bool, settings: dict[str, Any]) -> Provider:
    return HighLevel(HighLevelSettings(location_id="loc1", token=TOKEN, **settings), raw=raw)


def _leadway(raw: bool, settings: dict[str, Any]) -> Provider:
    return Leadway(LeadwaySettings(location_id="loc1", token=TOKEN, **settings), raw=raw)


def _leadping(raw: bool, settings: dict[str, Any]) -> Provider:
    return Leadping(LeadpingSettings(token=TOKEN, **settings), raw=raw)


def _subject(
    name: str,
    make: Callable[[bool, dict[str, Any]], Provider],
    kind: str,
    folder: str,
    id_: str,
    contact: str,
) -> Subject:
    sets = ("unread", "unassigned") if kind == "highlevel" else ()
    mapping = compile_mapping(FIELDS[kind])
    return Subject(name, make, _motions(sets, id_, contact), _read(folder), mapping, LEARNED[kind])


SUBJECTS: Mapping[str, Subject] = {
    one.name: one
    for one in (
        _subject("chatwoot", _chatwoot, "chatwoot", "chatwoot", "101", "7"),
        _subject(
            "highlevel", _highlevel, "highlevel", "leadconnector",
            "tqY7bC0nV5rS2aK9mXeW", "p3DfG6hJ8kL1zX4cV7bN",
        ),
        _subject(
            "leadway", _leadway, "highlevel", "leadconnector",
            "tqY7bC0nV5rS2aK9mXeW", "p3DfG6hJ8kL1zX4cV7bN",
        ),
        _subject("leadping", _leadping, "leadping", "leadping", "c-1", "l-1"),
    )
}  # fmt: skip
