"""The oracle calls what lies between two states by its name, also where no time tells the two apart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from .chronicle import is_losing
from .complete import was_known
from .story import EDITED
from .truth import FIELDS, name_changes

AT, LATER = "2026-11-21T12:30:27.791Z", "2026-11-21T12:30:27.792Z"


def state(text: str | None, at: str = AT, direction: str | None = None) -> dict[str, Any]:
    """Return an unread conversation of Leadping, whose rows tell neither count nor direction."""
    message = {"text": text, "direction": direction, "type": None, "at": at, "automated": None,
               "subject": None, "attachments": []}  # fmt: skip
    return {**dict.fromkeys((*FIELDS, "channel")), "attributes": {}, "unread": True,
            "archived": False, "last_message": message}  # fmt: skip


@pytest.mark.parametrize(
    ("new", "types"),
    [
        (state("Thanks!", LATER), ["message", "unread"]),
        (state("Thanks!"), ["message", "unread"]),
        (state("Called", direction="internal"), ["message"]),
        (state(f"Hello?{EDITED}"), ["updated"]),
        (state(None), ["updated"]),
        (state("Hello?"), []),
    ],
    ids=["later", "of the same millisecond", "a note", "edited", "gone", "the same"],
)
def test_another_message_of_the_same_millisecond_is_new_and_unread(
    new: dict[str, Any], types: list[str]
) -> None:
    told = [
        kind.removeprefix("conversation.")
        for kind, _ in name_changes("leadping", state("Hello?"), new)
    ]
    assert told == types


BEFORE = datetime.fromisoformat(AT) - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("now", "written", "losing"),
    [
        (state(None), None, True),
        (state("Hello?"), None, False),
        (state("Thanks!"), None, False),
        (state("Thanks!"), datetime.fromisoformat(AT), False),
        (state("Thanks!"), BEFORE, True),
        (state("Hello?"), BEFORE, False),
        (state(None, LATER), None, False),
        (state("Thanks!", LATER), BEFORE, False),
    ],
    ids=["no words", "the same", "another", "another of that time", "an older one at an event's time",
         "the same at an event's time", "a later event", "another, and a later event"],
)  # fmt: skip
def test_a_message_whose_loss_is_in_doubt_is_told_on(
    now: dict[str, Any], written: datetime | None, losing: bool
) -> None:
    old = state("Hello?")
    assert is_losing("last_message", old, old, now, written) is losing


@pytest.mark.parametrize(
    ("story", "known"),
    [
        ([], False),
        ([(50.0, True, None)], True),
        ([(50.0, True, None), (90.0, False, None)], False),
        ([(150.0, True, None)], True),
        ([(250.0, True, None)], False),
    ],
    ids=[
        "never told",
        "before it went",
        "told as gone before",
        "by a slow answer",
        "after it came back",
    ],
)
def test_who_did_not_know_a_conversation_is_not_told_that_it_went(
    story: list[tuple[float, bool, None]], known: bool
) -> None:
    assert was_known(story, 100.0, 200.0) is known
