"""What the tests of HighLevel and Leadway share: answers, and one line to have them read.

Bodies in `leadconnector/*.json` have the shapes that the documentation shows or that others
captured.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from watcher.model import Conversation, Observation
from watcher.providers import LookUp, Motion, Page, Poll, Response
from watcher.providers.leadconnector import HighLevel

NOW = datetime(2026, 8, 7, 6, 7, tzinfo=UTC)
SHAPES = Path(__file__).parent / "leadconnector"
ID = "tqY7bC0nV5rS2aK9mXeW"
REFUSALS: dict[str, dict[str, Any]] = json.loads((SHAPES / "refusals.json").read_text())


def provider(kind: type[HighLevel] = HighLevel, *, raw: bool = False, **settings: Any) -> HighLevel:
    model = kind.settings_model
    return kind(model.model_validate({"location_id": "loc1", "token": "t", **settings}), raw=raw)


def shape(name: str) -> bytes:
    return (SHAPES / f"{name}.json").read_bytes()


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, content, named, NOW, NOW)


def parse(response: Response, motion: Motion | None = None, *, raw: bool = False) -> Page:
    watched = provider(raw=raw)
    return watched.parse(watched.start(motion or Poll(timedelta(0), NOW)), response)


def observe(**row: Any) -> Observation:
    return parse(answer({"conversations": [{"id": "c1", **row}], "total": 1})).rows[0]


def look_up(*responses: Response, why: Any = "absent") -> Page:
    watched = provider()
    position = watched.start(LookUp(Conversation(ID), why))
    for response in responses:
        page = watched.parse(position, response)
        position = page.next
    assert position is None
    return page


EMPTY = answer({"conversations": [], "total": 0})
