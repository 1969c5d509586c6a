"""(h) What a thousand rules cost for each of a thousand events: routing, and packing what each rule said.

Rules are as an agency has them: most are about one account's conversations, some about a kind of event in
all of them, with conditions that many share. Beside it stands what the library of conditions alone takes
for the same conditions, each evaluated for each event that its rule asks for, with nothing shared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from tests.bench.figures import Figure, Measured, Scale
from tests.support.make import T0, conversation_event
from watcher.conditions.library import compile_text, make_values
from watcher.model import Event
from watcher.pipeline.deliveries import route
from watcher.rules import Rule
from watcher.rules.when import covered
from watcher.store.sqlite.rows import pack_verdicts
from watcher.vocabulary import variables

ACCOUNTS = 250
CHANNELS = ("sms", "email", "whatsapp", "webchat")
TYPES = (
    "conversation.unread",
    "conversation.message",
    "conversation.assigned",
    "conversation.labels_changed",
)


def usual(n: int) -> dict[str, Any]:
    """Return the settings of an agency's rule number `n`."""
    account = f'source == "loc-{n % ACCOUNTS}"'
    kinds: tuple[dict[str, Any], ...] = (
        {"when": "conversation.unread", "where": account},
        {
            "when": "conversation.*",
            "where": f'{account} && conversation.channel == "{CHANNELS[n % 4]}"',
        },
        {
            "when": "conversation.message",
            "where": 'conversation.last_message.direction == "inbound"',
        },
        {
            "when": ["conversation.assigned", "conversation.reassigned"],
            "where": f'conversation.assignee.name == "Agent {n % 50}" && !("spam" in conversation.labels)',
        },
        {"when": "source.failing"},
    )
    return kinds[n % 5]


def asking(n: int) -> dict[str, Any]:
    """Return the settings of a rule that asks for every event, with a condition of its own."""
    where = f'conversation.channel != "c{n}" && conversation.contact.name == "Contact {n}"'
    return {"when": "conversation.*", "where": where}


def made(kind: Callable[[int], dict[str, Any]], count: int) -> tuple[Rule, ...]:
    """Return so many rules."""
    return tuple(
        Rule.model_validate({"name": f"Rule {n}", "notify": [f"receiver-{n % 60}"], **kind(n)})
        for n in range(count)
    )


def made_events(count: int) -> list[Event]:
    """Return so many events of all accounts."""
    events = []
    for n in range(count):
        shown = {**conversation_event().data, "source": f"loc-{n % ACCOUNTS}"}
        shown["conversation"] = {**shown["conversation"], "id": f"c{n}", "channel": CHANNELS[n % 3]}
        events.append(
            Event(
                f"e{n}",
                TYPES[n % 4],
                f"loc-{n % ACCOUNTS}",
                f"c{n}",
                T0 + timedelta(seconds=n),
                shown,
            )
        )
    return events


def _bare(rules: Sequence[Rule], events: Sequence[Event]) -> float:
    """Return the seconds that the library takes for the conditions alone."""
    asked = [(covered(rule.when), compile_text(rule.where.whole)) for rule in rules if rule.where]
    began = time.process_time()
    for one in events:
        values = make_values(variables(one))
        for types, program in asked:
            if one.type in types:
                try:
                    program.execute(values)
                except (RuntimeError, TypeError, ValueError, KeyError):
                    continue
    return time.process_time() - began


def _routed(rules: tuple[Rule, ...], events: Sequence[Event]) -> float:
    """Return the seconds that routing takes, as a commit needs it."""
    began = time.process_time()
    for one in events:
        pack_verdicts(route(rules, one).results)
    return time.process_time() - began


def measure(scale: Scale) -> Iterator[Measured]:
    """Route each event, and evaluate the same conditions with the library alone, in turn."""
    events = made_events(scale.number("events", 1000, 200))
    for case, kind in (("as agencies have them", usual), ("all ask, each something else", asking)):
        rules = made(kind, scale.number("rules", 1000))
        pairs = len(rules) * len(events)
        _routed(rules, events[:20])
        rounds = range(scale.number("rounds", 5, 2))
        found = [(_routed(rules, events), _bare(rules, events)) for _ in rounds]
        each = tuple(1e6 * ours / pairs for ours, _ in found)
        yield Measured(
            case, "CPU for a rule and an event", each, "µs", 5 if kind is usual else None
        )
        library = tuple(ours / bare for ours, bare in found)
        yield Measured(case, "CPU, in evaluations of the library alone", library, "×")


FIGURES = (
    Figure(
        "h", "rules", "many rules for many events", measure,
        {"rules": "how many", "events": "how many", "rounds": "of all"},
    ),
)  # fmt: skip
