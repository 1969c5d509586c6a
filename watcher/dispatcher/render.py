"""The words of a delivery: the rule's message or the default one, late or together with others.

Rules: renders what `watcher.templates` decides; sends nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from watcher import templates
from watcher.links import Links
from watcher.markup import Format, Part, Text, joined, plain
from watcher.metrics import Metrics
from watcher.model import Delivery, Event
from watcher.notify import Notice
from watcher.pipeline import as_sent, digest_event
from watcher.pipeline.deliveries import owed_since
from watcher.redaction import EVERYTHING, Visibility, redact
from watcher.rules import Rule, Words
from watcher.vocabulary import moment

__all__ = ["Renderer"]

LATE = timedelta(minutes=10)
"""A text that goes out later than this says when it happened."""

CUT_OFTEN = 2
"""Attempts that never ended, after which a message goes out in the default words: those of its rule may be
why the process died.
"""

LONG_WINDOW = timedelta(hours=1)
"""Where only two looks are known between which it happened, a text names them if they are further
apart than this: shorter pauses between sweeps are usual."""


class Renderer:
    """Makes notices for one receiver, of what it may see of events; a template that fails is
    counted, and logged once.
    """

    def __init__(
        self,
        rules: Callable[[], tuple[Rule, ...]],
        metrics: Metrics,
        log: Any,
        text: bool,
        visibility: Visibility = EVERYTHING,
        zone: Callable[[], tzinfo] = lambda: UTC,
        format: Format = "text",  # noqa: A002 - the word of the configuration
        links: Callable[[], Links | None] = lambda: None,
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._with_text = text
        self._visibility = visibility
        self._zone = zone
        self._format: Format = format
        self._links = links
        self._complained: set[str] = set()
        self._problem = ""

    def notice(self, message: Sequence[Delivery], now: datetime) -> Notice:
        """Return the notice for one delivery, or for several as a digest."""
        self._problem = ""
        notice = self._notice(message, now)
        return dataclasses.replace(notice, problem=self._problem) if self._problem else notice

    def _notice(self, message: Sequence[Delivery], now: datetime) -> Notice:
        first = message[0]
        single = len(message) == 1 and first.kind != "digest"
        event = self._shown(first) if single else digest_event(message, self._shown)
        if not self._with_text:
            return Notice(event, "", "", now)
        reached, brief = _reached(message), first.refused > 0
        if single:
            title, body = self._text(first, now)
            return Notice(event, title, body, now, self._words(first).format, reached, brief)
        if first.kind == "digest":
            title, body = self._digest(message)
            return Notice(event, title, body, now, self._words(first).format, reached, brief)
        title, body = templates.digest([self._plain_text(delivery, now) for delivery in message])
        return Notice(event, title, body, now, reached=reached, brief=brief)

    def _shown(self, delivery: Delivery) -> Event:
        shown = redact(as_sent(delivery), self._visibility)
        event, links = delivery.event, self._links()
        if links is None or event.subject is None or "conversation" not in event.data:
            return shown
        since = owed_since(delivery, self._rule(delivery))
        about = (event.source, event.subject, event.id, delivery.receiver, delivery.rule)
        return dataclasses.replace(shown, data={**shown.data, "links": links.about(*about, since)})

    def _digest(self, message: Sequence[Delivery]) -> tuple[str, str]:
        """Return title and body of a rule's digest, by its template or by default."""
        first = message[0]
        words = self._words(first)
        events = [self._shown(delivery) for delivery in message]
        rendered = templates.render_digest(words.title, words.body, events, self._zone())
        self._complain(first.rule, rendered)
        return rendered.title, rendered.body

    def _text(self, delivery: Delivery, now: datetime) -> tuple[str, str]:
        rule = self._rule(delivery)
        words = self._words(delivery)
        zone = self._zone()
        told = rule is not None and rule.tells_words
        rendered = templates.render(words.title, words.body, self._shown(delivery), zone, told=told)
        self._complain(delivery.rule, rendered)
        # What a rule waits for on purpose does not make its message late.
        timed = rule if delivery.timer is not None else None
        wait = timed.wait(delivery.number) if timed is not None else timedelta(0)
        if delivery.ending is not None and delivery.kind == "resolved":
            at = delivery.ending.at
            note = templates.late_note(at, now, zone) if now - at > LATE else ""
        else:
            note = _late_note(delivery.event, now, wait, zone)
        late = Text([Part(f"\n\n{note}", False, "whole")])
        body = joined(rendered.body, late) if note else rendered.body
        return rendered.title, body

    def _plain_text(self, delivery: Delivery, now: datetime) -> tuple[str, str]:
        """Return title and body without the markup of their author: as parts of another text."""
        title, body = self._text(delivery, now)
        written = self._words(delivery).format or self._format
        return plain(title, written), plain(body, written)

    def _rule(self, delivery: Delivery) -> Rule | None:
        return next((rule for rule in self._rules() if rule.name == delivery.rule), None)

    def _words(self, delivery: Delivery) -> Words:
        """Return the words of the delivery's rule; the default ones once the rule is gone."""
        if delivery.cut >= CUT_OFTEN:
            self._problem = f"{delivery.cut} attempts never ended"
            return Words()
        rule = self._rule(delivery)
        words = rule.message.words_for(delivery.receiver) if rule is not None else Words()
        # What says that a state lasts is wrong about its end, unless it knows of ends.
        if delivery.kind == "resolved" and not templates.speaks_of(
            "resolved", words.title, words.body
        ):
            return Words()
        return words

    def _complain(self, rule: str, rendered: templates.Rendered) -> None:
        """Count a template that failed, and tell of it once."""
        if rendered.problem is None:
            return
        self._problem = rendered.problem
        self._metrics.template_failed(rule, rendered.problem)
        if rule not in self._complained:
            self._complained.add(rule)
            self._log.warning(
                "a message failed to render; the default one is sent",
                rule=rule,
                problem=rendered.problem,
            )


def _reached(message: Sequence[Delivery]) -> tuple[str, ...]:
    """Return the addresses that have received all of these already."""
    common = set(message[0].reached).intersection(*(delivery.reached for delivery in message))
    return tuple(sorted(common))


def _late_note(event: Event, now: datetime, wait: timedelta, zone: tzinfo) -> str:
    """Return when something happened, if its message is late; empty if it is not.

    It is late if it was noticed late, or is sent late in addition to the rule's own `wait`.
    """
    happened = moment(event)
    if not happened.known and event.time - happened.at > LONG_WINDOW:
        return templates.late_note(event.time, now, zone, after=happened.at)
    at = happened.at if happened.known else event.time
    return templates.late_note(at, now, zone) if now - at - wait > LATE else ""
