"""What the tests of Leadping share: answers, rows, pages, and the walk that a caller does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from watcher.model import Contact, Conversation
from watcher.providers import LookUp, Motion, Page, Request, Response, Sweep
from watcher.providers.leadping import Leadping, LeadpingSettings

SECRET = "sk_of-a-test"
NOW = datetime(2026, 9, 2, 12, tzinfo=UTC)
CHALLENGE = {"www-authenticate": 'Bearer resource_metadata="http://api.leadping.ai/.well-known/x"'}


def provider(*, raw: bool = False, **settings: Any) -> Leadping:
    return Leadping(LeadpingSettings(token=SECRET, **settings), raw=raw)


def answer(body: Any = b"", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, encoded, headers or {}, sent=NOW, received=NOW)


def row(name: str, minute: int = 0, **keys: Any) -> dict[str, Any]:
    at = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=minute)
    plain = {"id": name, "isUnread": False, "isArchived": False, "lastEventAt": at.isoformat()}
    return plain | keys


def page(*rows: Any, token: str | None = None) -> dict[str, Any]:
    return {"items": list(rows), "continuationToken": token}


def sweep_page(body: Any, *, raw: bool = False) -> Page:
    leadping = provider(raw=raw)
    return leadping.parse(leadping.start(Sweep()), answer(body))


def walk(
    leadping: Leadping, motion: Motion, serve: Callable[[Request], Response], limit: int = 100
) -> Iterator[tuple[Request, Page]]:
    position = leadping.start(motion)
    while position is not None:
        request = leadping.request(position)
        parsed = leadping.parse(position, serve(request))
        yield request, parsed
        position = parsed.next
        limit -= 1
        assert limit, "the walk does not end"


def look_up(lead: str | None = "l-1", why: Any = "absent") -> LookUp:
    return LookUp(Conversation("c-1", contact=Contact(id=lead)), why)


texts = st.none() | st.text(max_size=6)
times = st.none() | st.datetimes().map(lambda at: at.isoformat()) | st.text(max_size=4)
rows = st.fixed_dictionaries(
    {"id": st.text(max_size=4) | st.integers()},
    optional={
        "leadId": texts,
        "firstName": texts,
        "lastName": texts,
        "lastSnippet": texts,
        "lastEventAt": times,
        "isUnread": st.none() | st.booleans(),
        "isArchived": st.none() | st.booleans(),
        "archivedAt": times,
        "archiveReason": st.none() | st.integers(0, 9) | st.integers(0, 9).map(str),
        "currentLeadStatus": st.none()
        | st.fixed_dictionaries({}, optional={"id": texts, "changedAt": times}),
        "phoneNumber": st.none() | st.fixed_dictionaries({}, optional={"value": texts}),
    },
)
pages = st.builds(lambda items, token: page(*items, token=token), st.lists(rows), texts)
