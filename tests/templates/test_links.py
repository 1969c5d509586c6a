"""Links in messages for people: in templates, in default texts, in digests; empty where there are none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import structlog

from tests.support.make import T0, conversation_event, delivery, digested, rule
from watcher.conditions import ExpressionError, compile_condition
from watcher.dispatcher.render import Renderer
from watcher.links import Links
from watcher.metrics import Metrics
from watcher.model import Delivery
from watcher.rules import Message, Rule
from watcher.templates import TemplateError
from watcher.templates.compiled import compile_template

LASTS: Any = dict.fromkeys(("ack", "silence", "why", "open"), timedelta(days=1))
LINKS = Links("https://w.example", b"k" * 32, LASTS)
EVENT = conversation_event("conversation.waiting", changes={})


def body(one: Delivery, words: str | None = None, links: Links | None = LINKS) -> str:
    """Return the text that a receiver gets."""
    told: Rule = rule("conversation.*", name=one.rule)
    if words is not None:
        told = told.model_copy(update={"message": Message(body=words)})
    log = structlog.get_logger()
    renderer = Renderer(lambda: (told,), Metrics(), log, text=True, links=lambda: links)
    notice = renderer.notice([one], T0)
    assert not notice.problem
    return notice.body


@pytest.mark.parametrize("action", LASTS)
def test_a_template_names_each_link(action: str) -> None:
    said = body(delivery(EVENT), f"{{{{ links.{action} }}}}")
    assert said.startswith("https://w.example/do/")
    assert body(delivery(EVENT), f"go: {{{{ links.{action} }}}}", None) == "go:"


def test_what_a_link_misspells_is_a_mistake() -> None:
    with pytest.raises(TemplateError, match="akc"):
        compile_template("{{ links.akc }}")


def test_a_message_that_waited_ends_with_the_link_to_take_it() -> None:
    timer = delivery(EVENT, timer="R", due=0)
    assert "\nI have it: https://w.example/do/" in body(timer)
    assert "I have it" not in body(timer, links=None)
    assert "I have it" not in body(delivery(EVENT))


def test_each_event_of_a_digest_has_its_own() -> None:
    said = body(
        digested(EVENT, "R||2026-11-20T11:00:00.000Z"),
        "{% for one in events %}{{ one.links.open }}{% endfor %}",
    )
    assert said.startswith("https://w.example/do/")


def test_an_event_about_no_conversation_has_none() -> None:
    source = conversation_event("source.failing", None, reason="no")
    assert body(delivery(source), "x{{ links.open }}") == "x"


def test_conditions_know_no_links() -> None:
    with pytest.raises(ExpressionError):
        compile_condition("links.ack != null")
