"""A rule: which events go to which receivers, and when.

Rules: pure. Each key is a file of this package, which holds its model, its checks and its words;
here they are put together, one line for each key and purpose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Self

from pydantic import Field, ValidationInfo, model_validator

from watcher.conditions import Condition, Context, Outcome
from watcher.model import Event
from watcher.rules import digest, existing, hold_for, notify, repeat, resolved, when, where
from watcher.rules.digest import DigestOrDuration
from watcher.rules.due import DueMessage, Verdict
from watcher.rules.existing import Existing
from watcher.rules.hold_for import HoldFor
from watcher.rules.hours import RuleHours
from watcher.rules.message import Message, RuleMessage
from watcher.rules.notify import Notify
from watcher.rules.repeat import AtMost, Repeat
from watcher.rules.throttle import ThrottleOrDuration
from watcher.rules.when import When
from watcher.rules.where import Key, Where
from watcher.settings.base import Context as SettingsContext
from watcher.settings.base import FilledSettings, Mistake, context_of, mistakes
from watcher.settings.values import Title

__all__ = ["Rule"]


class Rule(FilledSettings):
    """Which events go to which receivers."""

    # A key that is checked against others stands behind them: `when`, then `for` and `repeat`,
    # and `digest` before `message`.
    name: Title = Field(description="What people call it; a rule is its name.")
    when: When = Field(description="Event types or globs such as `conversation.*`.")
    where: Where | None = Field(default=None, description="A CEL condition over the event.")
    unless: Where | None = Field(
        default=None, description="A CEL condition; where it holds, nothing is sent."
    )
    hold_for: HoldFor | None = Field(
        default=None,
        alias="for",
        description="Only if the condition still holds after this time.",
    )
    repeat: Repeat | None = Field(
        default=None, description="Again after each such time, until the condition no longer holds."
    )
    at_most: AtMost | None = Field(
        default=None, description="The largest number of repeats, after the first message."
    )
    resolved: bool = Field(
        default=False,
        description="Whether those who were told hear once that the condition no longer holds.",
    )
    existing: Existing = Field(
        default=False,
        description="Whether what holds already counts: at the baseline, or when the rule is new.",
    )
    throttle: ThrottleOrDuration | None = Field(
        default=None, description="At most one message in this time for each conversation."
    )
    digest: DigestOrDuration | None = Field(
        default=None, description="Collects into one message, at certain times."
    )
    hours: RuleHours | None = Field(default=None, description="When this rule may send.")
    severity: str = Field(
        default="", max_length=50, description="A word such as info, warning or critical."
    )
    stop: bool = Field(
        default=False, description="After a match of this rule, later rules are not asked."
    )
    notify: Notify = Field(description="Names of receivers.")
    message: RuleMessage = Field(
        default_factory=Message,
        description="Title and body for text receivers, or the name of a template.",
    )

    @classmethod
    def key_clashes(cls, given: Mapping[str, Any]) -> Iterator[Mistake]:
        """Yield what is wrong with the keys that are given together."""
        yield from repeat.key_clashes(given)
        yield from resolved.key_clashes(given)
        yield from existing.key_clashes(given)
        yield from digest.key_clashes(given)

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        if found := tuple(self._conflicts(context_of(info))):
            raise mistakes(found)
        return self

    def _conflicts(self, context: SettingsContext) -> Iterator[Mistake]:
        if self.throttle is not None:
            yield from self.throttle.conflicts(self)
        if self.hours is not None:
            yield from self.hours.conflicts(self, context)
        yield from self.message.conflicts(self)
        for key, condition in self._conditions():
            yield from where.conflicts(key, condition, self.types)

    def warnings(self, context: SettingsContext) -> Iterator[Mistake]:
        """Yield what works but is probably not meant."""
        yield from super().warnings(context)
        if self.lasting:
            yield from hold_for.oddities(self.types)
        for key, condition in self._conditions():
            yield from where.oddities(key, condition, self.types)
        for name, one in (("throttle", self.throttle), ("digest", self.digest)):
            if one is not None and one.by is not None:
                yield from where.costly(one.by, (name, "by"))

    def _conditions(self) -> Iterator[tuple[Key, Condition]]:
        if self.where is not None:
            yield "where", self.where
        if self.unless is not None:
            yield "unless", self.unless

    def filters(self, event: Event, known: Callable[[], Context]) -> Iterator[Outcome]:
        """Yield whether each key lets an event pass, in the order in which they are asked.

        The first one that does not decides. Raise EvaluationError where a condition fails.
        """
        yield when.admits(self.when, event.type)
        if self.where is not None:
            yield where.admits("where", self.where, known())
        if self.unless is not None:
            yield where.admits("unless", self.unless, known())
        if self.hold_for is not None:
            yield hold_for.waits(self.hold_for)

    def when_due(self, due: DueMessage) -> Verdict | None:
        """Return what keeps a message that is due from going out now, None where nothing does."""
        held = self.hours.when_due(due) if self.hours is not None else None
        if held is None and self.throttle is not None:
            held = self.throttle.when_due(due)
        return held

    def describe(self) -> str:
        """Describe in one line what the rule does, and when."""
        receivers = notify.describe(self.notify)
        if self.digest is not None:
            first = self.digest.describe(receivers)
        elif self.hold_for is not None:
            first = f"sent to {receivers} {hold_for.describe(self.hold_for)}"
        else:
            first = f"sent at once to {receivers}"
        parts = (
            when.describe(self.when),
            where.describe("where", self.where),
            where.describe("unless", self.unless),
            first,
            repeat.describe(self),
            resolved.describe(self),
            existing.describe(self),
            self.throttle.describe() if self.throttle is not None else "",
            self.hours.describe() if self.hours is not None else "",
            f"severity {self.severity}" if self.severity else "",
            "later rules are skipped" if self.stop else "",
        )
        return "; ".join(part for part in parts if part)

    @property
    def tells_words(self) -> bool:
        """Whether the words of every message surely go out in an event of their own, beside which
        `conversation.unread` need not repeat them.
        """
        return self._sends_all_of("conversation.message", "conversation.created")

    @property
    def tells_twice(self) -> tuple[str, str, str] | None:
        """When two messages surely go out about the same thing, and the types of both."""
        if self._sends_all_of("conversation.message", "conversation.unread"):
            return "for each new one of a customer", "conversation.message", "conversation.unread"
        # With `for`, one waits for somebody who reads, the other for an answer: both can be meant.
        if not self.lasting and self._sends_all_of("conversation.unread", "conversation.waiting"):
            return "when a customer begins to wait", "conversation.unread", "conversation.waiting"
        return None

    def _sends_all_of(self, *types: str) -> bool:
        return (
            self.types.issuperset(types)
            and self.digest is None
            and self.throttle is None
            and all(where.alike(condition) for _, condition in self._conditions())
        )

    @property
    def lasting(self) -> bool:
        """Whether it waits on a state, so that an observed end of it cancels messages."""
        return self.hold_for is not None or self.repeat is not None

    def wait(self, number: int) -> timedelta:
        """Return how long after the event the first message, or the repeat of a number, is due."""
        return (self.hold_for or timedelta(0)) + (self.repeat or timedelta(0)) * (number - 1)

    @property
    def types(self) -> frozenset[str]:
        """The event types that `when` covers."""
        return when.covered(self.when)

    @property
    def receivers(self) -> tuple[str, ...]:
        """All receivers that may get a message, `hours.otherwise` included."""
        hours = self.hours
        other = hours.otherwise if hours is not None and hours.redirects else None
        return (*self.notify, other) if other is not None else self.notify

    @property
    def condition_names(self) -> frozenset[str]:
        """The conditions of the configuration that it names."""
        by = (one.by for one in (self.throttle, self.digest) if one is not None)
        asked = (self.where, self.unless, *by)
        return frozenset().union(*(one.names for one in asked if one is not None))
