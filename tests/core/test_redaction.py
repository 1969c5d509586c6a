"""What a receiver may see: redacted values are nowhere, thin events are ids, the rest is untouched."""

from __future__ import annotations

import copy
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from watcher.dispatcher.render import Renderer
from watcher.metrics import Metrics
from watcher.model import Delivery, Event
from watcher.redaction import EVERYTHING, RedactionError, Visibility, check_redaction, redact
from watcher.rules import Rule
from watcher.vocabulary import CHANGING, SAMPLES

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
PERSON = {"id": "kontakt-7", "name": "Maria Lopez", "email": "maria@example.com", "phone": "+4915"}
EVENT = dataclasses.replace(
    SAMPLES[0],
    data={
        **SAMPLES[0].data,
        "conversation": {
            **SAMPLES[0].data["conversation"],
            "contact": PERSON,
            "attributes": {"plan": "gold", "custom": {"city": "Jena", "n": 1}},
        },
        "changes": {
            **SAMPLES[0].data["changes"],
            "contact": {"before": {**PERSON, "email": "old@example.com"}, "after": PERSON},
        },
    },
)
PATHS = [
    "contact.id", "contact.name", "contact.email", "contact.phone", "contact", "url",
    "last_message.text", "last_message", "assignee.name", "assignee", "labels", "disposition",
    "attributes.plan", "attributes.custom.city", "attributes",
]  # fmt: skip


def leaves(value: Any) -> list[str]:
    """Return all texts in a value."""
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return [value] if isinstance(value, str) else []


def at(conversation: Any, path: str) -> Any:
    for name in path.split("."):
        conversation = None if conversation is None else conversation.get(name)
    return conversation


@given(st.sets(st.sampled_from(PATHS), min_size=1))
def test_what_is_redacted_stands_nowhere_and_the_rest_is_untouched(paths: set[str]) -> None:
    before = copy.deepcopy(EVENT)
    shown = redact(EVENT, Visibility(redacted=tuple(sorted(paths))))
    assert before == EVENT, "the stored event is not touched"
    for path in paths:
        assert at(shown.data["conversation"], path) in (None, [], {}) or path == "contact"
        field, _, rest = path.partition(".")
        for side in ("before", "after") if field in CHANGING else ():
            hidden = shown.data["changes"][field][side]
            found = at(hidden, rest) if rest and hidden else hidden
            assert leaves(found) == []
    kept = {
        name for name in EVENT.data["conversation"] if not any(p.startswith(name) for p in paths)
    }
    for name in kept:
        assert shown.data["conversation"][name] == EVENT.data["conversation"][name]
        if name in EVENT.data["changes"]:
            assert shown.data["changes"][name] == EVENT.data["changes"][name]
    assert shown.data["redacted"] == sorted(paths)
    assert (shown.id, shown.type, shown.subject, shown.time) == (
        EVENT.id, EVENT.type, EVENT.subject, EVENT.time
    )  # fmt: skip
    assert shown.body() == redact(EVENT, Visibility(redacted=tuple(sorted(paths)))).body()


def test_whole_objects_that_are_never_null_stay_objects() -> None:
    shown = redact(EVENT, Visibility(redacted=("attributes", "contact", "labels"))).data
    assert shown["conversation"]["contact"] == dict.fromkeys(PERSON)
    assert shown["conversation"]["attributes"] == {}
    assert shown["conversation"]["labels"] == []
    assert shown["changes"]["contact"]["before"] == dict.fromkeys(PERSON)


def test_a_thin_death_says_which_message_without_what_was_answered() -> None:
    about = {"id": "e1", "type": "conversation.unread", "subject": "c1"}
    data = {"receiver": "crm", "rule": "R", "event": about, "attempts": 3}
    dead = Event("d1", "delivery.dead", "crm", None, EVENT.time, {**data, "reason": "Maria said"})
    assert redact(dead, Visibility(thin=True)).data == data


def test_thin_is_ids_and_the_watchers_own_words() -> None:
    data = {**EVENT.data, "delivery": {"rule": "R", "kind": "for", "event": "e", "by": "maria@"}}
    shown = redact(dataclasses.replace(EVENT, data=data), Visibility(thin=True)).to_plain()
    assert shown == {
        "specversion": "1.0",
        "id": EVENT.id,
        "source": "inbox-watcher/sales",
        "type": "conversation.unread",
        "subject": "conversation-1",
        "time": "2026-11-20T10:00:00.000Z",
        "datacontenttype": "application/json",
        "data": {
            "source": "sales",
            "provider": "highlevel",
            "conversation": {"id": "conversation-1"},
            "delivery": {"rule": "R", "kind": "for", "event": "e"},
        },
    }


def test_the_events_of_a_digest_are_shown_the_same_way() -> None:
    digest = Event(
        "d", "watcher.digest", "sales", None, NOW,
        {"source": "sales", "delivery": {"rule": "R", "kind": "digest", "count": 1},
         "events": [EVENT.to_plain()]},
    )  # fmt: skip
    thin = redact(digest, Visibility(thin=True))
    assert thin.data["events"][0]["data"]["conversation"] == {"id": "conversation-1"}
    assert thin.data["delivery"]["count"] == 1
    redacted = redact(digest, Visibility(redacted=("contact.email",)))
    assert redacted.data["events"][0]["data"]["conversation"]["contact"]["email"] is None
    assert "redacted" not in redacted.data
    for shown in (thin, redacted):
        assert b"@example.com" not in shown.body()


def test_events_without_a_conversation_and_receivers_that_see_all_are_untouched() -> None:
    failing = SAMPLES[3]
    assert redact(failing, Visibility(redacted=("contact",))).data == failing.data
    assert redact(EVENT, EVERYTHING) is EVENT


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("contact.emial", "is no field of `conversation.contact`|did you mean `contact.email`?"),
        ("conversation.contakt", "is no field of `conversation`|did you mean `contact`?"),
        ("labels.vip", "leads nowhere|`conversation.labels` has no fields of its own"),
        ("contact.", "is no field of `conversation.contact`|there is: id, name, email, phone"),
        ("", "is no field of `conversation`|there is: url, contact"),
        ("unread", "cannot be redacted|leave it out"),
        ("conversation.id", "cannot be redacted|leave it out"),
        ("attributes.", "names no attribute|"),
    ],
)
def test_a_path_that_leads_nowhere_is_said(path: str, words: str) -> None:
    with pytest.raises(RedactionError) as caught:
        check_redaction(path)
    message, _, remedy = words.partition("|")
    assert message in str(caught.value)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("path", PATHS)
def test_a_path_may_be_written_as_in_templates(path: str) -> None:
    assert check_redaction(path) == check_redaction(f"conversation.{path}") == path


def test_templates_see_what_the_receiver_may_see() -> None:
    rule = Rule(
        name="R",
        when="conversation.unread",
        notify="team",
        message={
            "title": "From {{ conversation.contact.name or 'somebody' }}",
            "body": "{{ changes.contact.before.email or 'hidden' }}"
            " {{ conversation.last_message.text }}",
        },
    )
    words = Renderer(
        lambda: (rule,),
        Metrics(),
        structlog.get_logger(),
        True,
        Visibility(redacted=("contact.email", "contact.name")),
    )
    notice = words.notice([Delivery("d", EVENT, "team", "R", NOW, NOW)], NOW)
    assert notice.title == "From somebody"
    assert notice.body.startswith("hidden Is the house")
    assert json.dumps(notice.event.to_plain()).count("Maria") == 0
