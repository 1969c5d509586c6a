"""Templates that exceed their budget are counted by rule, those that fail for another reason are not."""

from __future__ import annotations

import structlog

from tests.support.make import MARIA, T0
from watcher.dispatcher.render import Renderer
from watcher.metrics import Metrics
from watcher.model import Delivery, Event, to_plain
from watcher.rules import Rule

WORDS = (
    "{% for a in conversation.last_message.text.split() %}"
    "{% for b in conversation.last_message.text.split() %}{{ a == b }}{% endfor %}{% endfor %}"
)


def rule(name: str, body: str) -> Rule:
    message = {"body": body}
    return Rule(name=name, when="conversation.message", notify="team", message=message)


def test_templates_over_budget_are_counted_by_rule() -> None:
    rules = (rule("hungry", WORDS), rule("broken", "{{ 1 // (conversation.unread_count - 1) }}"))
    metrics = Metrics()
    words = Renderer(lambda: rules, metrics, structlog.get_logger(), text=True)
    for text in ("few words", "word " * 2_000):
        shown = {**to_plain(MARIA), "unread_count": 1}
        shown["last_message"]["text"] = text
        event = Event("e1", "conversation.message", "s", "c1", T0, {"conversation": shown})
        for one in rules:
            words.notice([Delivery("d1", event, "team", one.name, T0, T0)], T0)
    assert metrics.rules_over_budget() == [{"rule": "hungry", "condition": 0, "template": 1}]
    assert metrics.registry.get_sample_value(
        "inbox_watcher_template_errors_total", {"rule": "broken"}
    ) == len(("few words", "many"))
