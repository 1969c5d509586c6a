"""The words of a delivery: the rule's message or the default one, late or together with others.

Law: renders what `watcher.templates` decides; sends nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from watcher import templates
from watcher.metrics import Metrics
from watcher.model import Delivery, Event, derive_id
from watcher.notify import Notice
from watcher.pipeline import EVERYTHING, Disclosure, disclose
from watcher.rules import Rule, outgoing
from watcher.vocabulary import moment

__all__ = ["Words"]

LATE = timedelta(minutes=10)
"""A text that goes out later than this says when it happened."""

LONG_WINDOW = timedelta(hours=1)
"""Where only two looks are known between which it happened, a text names them if they are further
apart than this: shorter pauses between sweeps are usual."""


class Words:
    """Makes notices for one receiver, of what it may see of events; a template that fails is
    counted, and logged once.
    """

    def __init__(
        self,
        rules: Callable[[], tuple[Rule, ...]],
        metrics: Metrics,
        log: Any,
        text: bool,
        disclosure: Disclosure = EVERYTHING,
    ) -> None:
        self._rules = rules
        self._metrics = metrics
        self._log = log
        self._with_text = text
        self._disclosure = disclosure
        self._complained: set[str] = set()

    def notice(self, batch: Sequence[Delivery], now: datetime) -> Notice:
        """Make one message of one delivery, or a digest of several."""
        event = self._shown(batch[0])
        if not self._with_text:
            return Notice(event, "", "", now)
        texts = [self._text(delivery, now) for delivery in batch]
        reached = _reached(batch)
        if len(batch) == 1:
            return Notice(event, *texts[0], now, self._format(batch[0]), reached)
        title, body = templates.digest(texts)
        event = dataclasses.replace(event, id=derive_id("digest", *(d.id for d in batch)))
        return Notice(event, title, body, now, reached=reached)

    def _shown(self, delivery: Delivery) -> Event:
        return disclose(outgoing(delivery), self._disclosure)

    def _text(self, delivery: Delivery, now: datetime) -> tuple[str, str]:
        rule = next((rule for rule in self._rules() if rule.name == delivery.rule), None)
        title, body = (rule.title, rule.body) if rule is not None else (None, None)
        rendered = templates.render(title, body, self._shown(delivery))
        if rendered.problem is not None:
            self._metrics.template_errors.labels(delivery.rule).inc()
            if delivery.rule not in self._complained:
                self._complained.add(delivery.rule)
                self._log.warning(
                    "a message failed to render; the default one is sent",
                    rule=delivery.rule,
                    problem=rendered.problem,
                )
        waits = timedelta(0)
        if delivery.timer is not None and rule is not None and rule.hold_for is not None:
            waits = rule.hold_for
        note = _late_note(delivery.event, now, waits)
        body = templates.joined(rendered.body, f"\n\n{note}") if note else rendered.body
        return rendered.title, body

    def _format(self, delivery: Delivery) -> templates.Format | None:
        """Give what the rule's templates are written in, None where the rule does not say."""
        found = (
            rule.written_in(delivery.receiver)
            for rule in self._rules()
            if rule.name == delivery.rule
        )
        return next(found, None)


def _reached(batch: Sequence[Delivery]) -> tuple[str, ...]:
    """Give the addresses that have all of these already."""
    common = set(batch[0].reached).intersection(*(delivery.reached for delivery in batch))
    return tuple(sorted(common))


def _late_note(event: Event, now: datetime, waits: timedelta) -> str:
    """Say when something happened, if that is told late: sent late, or noticed late. Empty if not;
    `waits` is what the rule's `for` waits for.
    """
    happened = moment(event)
    if not happened.known and event.time - happened.at > LONG_WINDOW:
        return templates.late_note(event.time, now, after=happened.at)
    at = happened.at if happened.known else event.time
    return templates.late_note(at, now) if now - at - waits > LATE else ""
