"""Why somebody was not told: reasons in the order of what explains most.

Rules: pure and total; what was recorded when it was decided counts, and today's rules only where nothing
was recorded. That he was told comes first, then what became of each message, then why rules made none,
then what nobody could see (`watcher.explain.unseen`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from watcher.explain.question import Configured, Facts, Finding, FindingKind, Question
from watcher.explain.story import Story
from watcher.explain.unseen import gaps, nothing_recorded
from watcher.explain.values import format_age, short_id
from watcher.model import Delivery, rfc3339
from watcher.records import HistoryEntry, RuleResult
from watcher.rules import Rule
from watcher.rules.notify import is_about
from watcher.rules.when import OTHER_TYPE, covered
from watcher.suggest import did_you_mean, listing

__all__ = ["why_not_told"]

LATE = timedelta(minutes=10)
"""A message that went out later than this after its event is called late."""


def why_not_told(question: Question, facts: Facts, configured: Configured) -> tuple[Finding, ...]:
    """Return why a receiver was not told, the reason that explains most first; never nothing."""
    # Where nobody is meant, nothing else matters.
    if question.receiver not in configured.receivers and not _ever_owed(question, facts):
        return (_no_receiver(question, configured),)
    asked = _Asked(question, facts, configured)
    stories = [one for one in facts.stories if not question.type or _fits(one, question.type)]
    found = [finding for story in stories for finding in asked.deliveries(story)]
    found.sort(key=lambda one: one.kind != "told")
    ruled = [finding for story in stories for finding in asked.rules(story)]
    specific = [one for one in ruled if one.kind != "other-type"]
    found += specific
    if not found and stories:
        found += asked.other_types(stories)
    seen = list(gaps(question, facts)) if stories else []
    found += seen if stories else nothing_recorded(question, facts, configured)
    return tuple(_together(found))


def _together(found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield findings that say the same of several events once, with their number, at the first of them."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for one in found:
        alike.setdefault((one.kind, one.text, one.by), []).append(one)
    for first, *more in alike.values():
        several = more and first.event  # what is about no event is said once
        yield replace(first, text=f"{first.text} ({len(more) + 1} events)") if several else first


def _fits(story: Story, pattern: str) -> bool:
    return story.event.type in covered((pattern,))


def _ever_owed(question: Question, facts: Facts) -> bool:
    return any(
        question.receiver in (one.receiver, one.redirected)
        for story in facts.stories
        for one in story.deliveries
    )


def _no_receiver(question: Question, configured: Configured) -> Finding:
    near = did_you_mean(question.receiver, configured.receivers)
    names = listing(configured.receivers) or "none"
    return Finding(
        "no-receiver",
        f"there is no receiver {question.receiver}",
        question.receiver,
        remedy=f"{near}configured: {names}",
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with what is known about it."""

    question: Question
    facts: Facts
    configured: Configured

    def _place(self, rule: str) -> str:
        return self.configured.places.get(("rule", rule), "")

    # What became of messages

    def deliveries(self, story: Story) -> Iterator[Finding]:
        """Yield what became of each message about an event to the receiver."""
        for one in story.deliveries:
            # What hours sent to somebody else is told as that: the other's delivery is not his.
            if one.receiver == self.question.receiver:
                yield self._delivery(one, story)

    def _delivery(self, one: Delivery, story: Story) -> Finding:
        history = story.history.get(one.key, ())
        match one.state:
            case "delivered":
                return self._told(one)
            case "pending":
                return self._pending(one, story)
            case "dead":
                return self._dead(one)
        return self._cancelled(one, history)

    def _finding(
        self, kind: FindingKind, text: str, one: Delivery, remedy: str = "", by: str = ""
    ) -> Finding:
        by = by or one.rule
        place = self._place(one.rule) if by == one.rule else ""
        at = one.settled
        return Finding(kind, text, by, place, remedy, at, one.event.id, one.key)

    def _told(self, one: Delivery) -> Finding:
        at = one.settled or one.due
        delay = at - one.event.time
        late = (
            f", {format_age(delay.total_seconds())} after it was recorded" if delay > LATE else ""
        )
        digest = f", in the digest {short_id(one.message)}" if one.message else ""
        answer = f"; its answer: {one.note}" if one.note else ""
        text = f"{one.receiver} was told at {rfc3339(at)}{late}{digest}, by the rule {one.rule!r}{answer}"
        remedy = (
            f"look there (spam, archive, muted channel); inbox-watcher deliveries show {one.key}"
        )
        return self._finding("told", text, one, remedy)

    def _pending(self, one: Delivery, story: Story) -> Finding:
        wait = story.waits[one.key]
        remedies = {
            "off": f"turn it on again: inbox-watcher send-test {one.receiver}",
            "paused": f"see what it answers: inbox-watcher deliveries show {one.key}",
            "retry": f"try it at once: inbox-watcher deliveries retry {one.key}",
            "hours": "change `hours` of the rule",
            "timer": "shorten `for` of the rule",
            "digest": "remove `digest` of the rule, or make it shorter",
        }
        remedy = remedies.get(wait.reason, "")
        by = wait.by if wait.reason in ("off", "paused", "order") else one.rule
        text = f"{one.receiver} has not been told yet: {wait.text}"
        place = self._place(one.rule) if by == one.rule else ""
        return Finding(wait.reason, text, by, place, remedy, wait.until, one.event.id, one.key)

    def _dead(self, one: Delivery) -> Finding:
        maybe = "; an attempt was cut off, so it may have arrived" if one.uncertain else ""
        text = f"the message to {one.receiver} was given up: {one.note}{maybe}"
        remedy = f"send it again: inbox-watcher deliveries retry {one.key}"
        return self._finding("dead", text, one, remedy, by=one.receiver)

    def _cancelled(self, one: Delivery, history: Sequence[HistoryEntry]) -> Finding:
        """Return why a message was not sent, by the line of its history that ended it."""
        last = next((entry for entry in reversed(history) if entry.kind != "attempt"), None)
        kind = last.kind if last is not None else "cancelled"
        note, rule = one.note, one.rule
        match kind:
            case "throttled":
                remedy = "shorten `throttle` of the rule, or give it a `by`"
                return self._finding("throttled", f"the message was {note}", one, remedy)
            case "silenced":
                return self._silenced(one)
            case "dropped":
                remedy = "write `otherwise: hold` (or digest, or another receiver) in its `hours`"
                return self._finding("dropped", f"the message was {note}", one, remedy)
            case "redirected":
                remedy = "change `hours.otherwise` of the rule"
                return self._finding("redirected", f"the message was {note}", one, remedy)
            case "buried":
                return self._finding("retired", f"the message was taken back: {note}", one)
        due = rfc3339(one.due)
        would = f"the rule {rule!r} would have told {one.receiver} at {due}, but"
        if note.startswith("acknowledged"):
            return self._finding("acknowledged", f"{would} it was {note}", one)
        text = f"{would} that was over before: {note}" if one.timer else f"it was cancelled: {note}"
        remedy = "shorten `for` of the rule" if one.timer and one.kind == "for" else ""
        return self._finding("ended", text, one, remedy)

    def _silenced(self, one: Delivery) -> Finding:
        text = f"the message was {one.note}"
        for stored in self.facts.silences:
            if f" by {stored.id}" in one.note:
                author = f" (added by {stored.author})" if stored.author else ""
                over = one.settled is not None and stored.ends < one.settled
                remedy = "" if over else f"end it: inbox-watcher silence expire {stored.id}"
                return self._finding("silenced", text + author, one, remedy, by=stored.id)
        for name in (silence.name for silence in self.configured.silences):
            if f" by {name}" in one.note:
                finding = self._finding("silenced", text, one, "change or remove it", by=name)
                place = self.configured.places.get(("silence", name), "")
                return replace(finding, place=place)
        return self._finding("silenced", text, one, "inbox-watcher silence list", by="silence")

    # Why rules made no message

    def rules(self, story: Story) -> Iterator[Finding]:
        """Yield what each rule that tells the receiver made of an event, where it made no message."""
        event, receiver = story.event, self.question.receiver
        mine = {rule.name: rule for rule in self.configured.rules if receiver in rule.receivers}
        if not mine:
            remedy = f"name {receiver} in `notify` of a rule"
            yield Finding("no-rule", f"no rule tells {receiver} of anything", receiver, "", remedy)
            return
        if story.verdicts is None:
            text = f"what the rules made of it is no longer stored: {event.type} of {rfc3339(event.time)}"
            remedy = "inbox-watcher backtest shows what today's rules make of recorded events"
            yield Finding("results-gone", text, remedy=remedy, at=event.time, event=event.id)
            return
        results = {one.rule: one for one in story.verdicts}
        told_by = {one.rule for one in story.deliveries if one.receiver == receiver}
        for name, rule in mine.items():
            result = results.get(name)
            if result is None:
                if event.type in rule.types:
                    yield self._newer(rule, story)
            elif not result.matched:
                yield self._unmatched(result, story)
            elif name not in told_by and not told_by & _others(story, receiver, name):
                yield self._matched(rule, result, story)

    def _rule(self, kind: FindingKind, text: str, rule: str, story: Story, remedy: str) -> Finding:
        event = story.event
        return Finding(kind, text, rule, self._place(rule), remedy, event.time, event.id)

    def _newer(self, rule: Rule, story: Story) -> Finding:
        at = rfc3339(story.event.time)
        text = (
            f"the rule {rule.name!r} was not there yet when {story.event.type} was recorded at {at}"
        )
        return self._rule(
            "rule-newer", text, rule.name, story, "it counts for what comes from now on"
        )

    def _unmatched(self, result: RuleResult, story: Story) -> Finding:
        name, reason, kind = result.rule, result.reason, story.event.type
        if reason.startswith(OTHER_TYPE):
            text = f"the rule {name!r} did not match: {reason}"
            return self._rule("other-type", text, name, story, f"add {kind} to its `when`")
        if reason.startswith("`stop`"):
            text = f"the rule {name!r} was not asked about {kind}: {reason}"
            remedy = "put it above that rule, or remove `stop` there"
            return self._rule("stopped", text, name, story, remedy)
        text = f"the rule {name!r} did not match {kind}: {reason}"
        if "could not be evaluated" in reason:
            return self._rule("condition-failed", text, name, story, "inbox-watcher check")
        remedy = "change its condition; inbox-watcher backtest shows what that would have sent"
        return self._rule("condition", text, name, story, remedy)

    def _matched(self, rule: Rule, result: RuleResult, story: Story) -> Finding:
        """Return why a rule that matched made no message for the receiver."""
        receiver, event = self.question.receiver, story.event
        if is_about(event, receiver):
            text = f"{receiver} does not get events about itself"
            return self._rule("itself", text, rule.name, story, "name another receiver too")
        running = [
            one for one in self.facts.timers if one.timer == rule.name and one.event.id != event.id
        ]
        if rule.lasting and running:
            first = running[-1]
            text = (
                f"the rule {rule.name!r} was waiting since {rfc3339(first.event.time)} already: a later"
                f" {event.type} while that lasts does not start it again"
            )
            remedy = f"see what became of it: inbox-watcher why {short_id(first.event.id)}"
            return self._rule("running", text, rule.name, story, remedy)
        text = f"the rule {rule.name!r} matched {event.type}, but did not name {receiver} then"
        return self._rule("not-named", text, rule.name, story, "it does for what comes from now on")

    def other_types(self, stories: Sequence[Story]) -> Iterator[Finding]:
        """Yield that all rules that tell the receiver ask for other types."""
        receiver = self.question.receiver
        kinds = listing(dict.fromkeys(story.event.type for story in stories))
        mine = [rule for rule in self.configured.rules if receiver in rule.receivers]
        names = listing([repr(rule.name) for rule in mine])
        text = f"the rules that tell {receiver} ask for other types than {kinds}: {names}"
        first = mine[0].name if mine else ""
        event = stories[-1].event
        remedy = f"add {kinds} to `when` of one"
        yield Finding("other-type", text, first, self._place(first), remedy, event.time, event.id)


def _others(story: Story, receiver: str, rule: str) -> set[str]:
    """Return the rules whose message of an event stands for that of another one as well: the first
    one that matches counts.
    """
    return {
        one.rule
        for one in story.deliveries
        if one.receiver == receiver and one.kind == "event" and rule in (*one.candidates, one.rule)
    }
