"""The key `throttle`: at most one message in a while.

Rules: pure. Whether another message went out is asked when one is due; the marks that messages
leave are kept by the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from watcher.conditions import EvaluationError, context
from watcher.model import Delivery, Event, rfc3339
from watcher.records import ThrottleMark
from watcher.rules.due import Drop, DueMessage, Verdict
from watcher.rules.grouping import By
from watcher.rules.where import one_line
from watcher.settings.base import FilledSettings, Mistake
from watcher.settings.durations import format_duration
from watcher.settings.values import Duration

if TYPE_CHECKING:
    from watcher.rules.rule import Rule

__all__ = ["Throttle", "ThrottleOrDuration"]


class Throttle(FilledSettings):
    """At most one message in a while."""

    within: Duration = Field(ge=timedelta(seconds=1), description="One message in this time.")
    by: By | None = Field(
        default=None,
        description="What counts as the same, in CEL; the conversation where left out.",
    )

    def key(self, event: Event) -> tuple[str, str]:
        """Return what an event counts as, and what went wrong (empty: nothing).

        Without `by`, and where it cannot be evaluated, that is the conversation; for events
        without one the source.
        """
        alone = f"conversation {event.source}/{event.subject}" if event.subject else event.source
        if self.by is None:
            return alone, ""
        try:
            return self.by.key(context(event)), ""
        except EvaluationError as failure:
            return alone, failure.message

    def applies(self, delivery: Delivery) -> bool:
        """Return whether the throttle counts a delivery: repeats have a pace of their own."""
        return delivery.kind in ("event", "for")

    def when_due(self, due: DueMessage) -> Verdict | None:
        """Return what keeps a message from going out, None where enough time has passed."""
        if not self.applies(due.delivery):
            return None
        mark = due.marks.get((due.rule, self.key(due.delivery.event)[0]))
        # A further attempt of the message that left the mark is not another message.
        if mark is None or mark.delivery == due.delivery.key:
            return None
        # A mark from the future is from before the clock was set back: its age is not known.
        if not mark.at <= due.now < mark.until:
            return None
        return Drop(
            "throttled",
            f"throttled: the rule {due.rule!r} has sent one at {rfc3339(mark.at)},"
            f" the next may go from {rfc3339(mark.until)}",
        )

    def mark(self, due: DueMessage) -> ThrottleMark | None:
        """Return what a message leaves that goes out now."""
        delivery = due.delivery
        if not self.applies(delivery):
            return None
        until = due.now + self.within
        by = self.key(delivery.event)[0]
        return ThrottleMark(due.rule, delivery.receiver, by, due.now, until, delivery.key)

    def describe(self) -> str:
        """Describe what the throttle lets pass."""
        same = one_line(self.by.source) if self.by is not None else "conversation"
        return f"at most one message every {format_duration(self.within)} for each {same}"

    def conflicts(self, rule: Rule) -> Iterator[Mistake]:
        """Yield what contradicts other keys of the rule."""
        # The state of a repeat is the same as that of the message before it: none would pass.
        if rule.repeat is not None and self.within >= rule.repeat:
            within, every = format_duration(self.within), format_duration(rule.repeat)
            yield Mistake(
                f"would throttle every repeat: one message in {within}, again every {every}",
                "make `throttle` shorter than `repeat`, or remove it",
                ("throttle",),
                whole=True,
            )


ThrottleOrDuration = Annotated[
    Throttle,
    BeforeValidator(
        lambda value: {"within": value} if isinstance(value, str) else value,
        json_schema_input_type=Duration | Throttle,
    ),
]
"""A throttle, or its `within` alone."""
