"""Who was told to wait, and to be answered: did it happen, in turn, and was each told that stood?

Rules: reads a finished run. A wait is what the world's history says; what a row shows of it is another
matter. A row *tells* when its last message is a customer's or a person's, or when it is put away; of
any other row a watcher may keep what it believed. Where several things happened between two looks, the
end that is told may be any of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.virtual_time import START
from watcher.simulator.contract import newest_event
from watcher.simulator.state import Activity, Conversation, Kind, State
from watcher.simulator.versions import NEWEST, Version
from watcher.simulator.waiting import ANSWERS, set_in

from .chronicle import TIE, Chronicle
from .complete import LATE
from .reign import Look
from .truth import moved_at

__all__ = ["judge_waits", "seconds_of", "tells"]

APART = 1.0
"""Seconds by which a provider's own times of one message differ: Chatwoot's have whole seconds."""

AT_ONCE = timedelta(seconds=5)
"""By how much less than this one message's times differ at HighLevel (observed)."""

Told = str | None
"""A time of `waiting_since` as it is told, None for nobody."""


@dataclass(slots=True)
class Stretch:
    """A time in which one customer waited, or (`since` None) nobody did; `telling` are the parts of it
    whose rows tell.
    """

    start: float
    end: float
    since: datetime | None
    outcome: str = ""
    polled: float | None = None
    """When a row that tells first moved in the provider's recent activity, which is what polls read. A
    wait that begins otherwise (the token may see the row again, HighLevel's archive gives it back) has
    to be shown by a sweep alone, until somebody writes.
    """

    proves: bool = True
    """Whether HighLevel's row proves an answer to this wait below a later line. What went out last
    shows as a person's (`lastOutboundMessageAction`), not when it went out: that proves an answer only
    where it was a machine's when the wait began, or where the conversation began with the wait.
    """

    off: float = 0.0
    """Seconds by which the server's clock, of which all told times are, is ahead."""

    natives: set[int] = field(default_factory=set)
    telling: list[tuple[float, float]] = field(default_factory=list)

    def fits(self, told: Told, seen: float) -> bool:
        """Return whether a told value can mean this stretch."""
        if told is None or self.since is None:
            return told is None and self.since is None
        at = self.true(told)
        if int(_time(told).timestamp()) in self.natives:
            return True
        return _seconds(self.since) - APART <= at <= seen + APART

    def true(self, told: str) -> float:
        """Return the true time that a told one means."""
        return _seconds(_time(told)) - self.off


class Waits:
    """All stretches of one conversation, as its own history has them."""

    def __init__(
        self, kind: Kind, conversation: Conversation, versions: Sequence[Version] = (NEWEST,)
    ) -> None:
        self.off = conversation.account.clock_off
        self.stretches: list[Stretch] = []
        self.answers: list[float] = []
        """When people wrote."""
        self.covered: list[tuple[float, float]] = []
        """When what is put away ended with HighLevel's activity line, in whose row no message shows, or with
        the customer's words: they begin no wait there, and its row shows no time of what went out.
        """
        self.torn: list[tuple[float, float]] = []
        """When its row lacked messages: nobody can know that of one that is seen for the first time, nor of
        one that shows a newer message than the known one. What it lacks begins and ends nothing meanwhile.
        """
        account, history = conversation.account, conversation.history
        ends = [_seconds(at) for at, _ in history[1:]] + [float("inf")]
        for (at, state), end in zip(history, ends, strict=True):
            start, message = _seconds(at), state.message
            if message and message.direction == "outbound" and message.sender in ANSWERS:
                self.answers.append(_seconds(message.at - self.off))
            # What stood for no time at all, as in a burst, is no less what a line above it may hide.
            self._take(kind, state, account.sees(state), (start, end), versions)

    def _take(
        self, kind: Kind, state: State, seen: bool, span: tuple[float, float], versions: Any
    ) -> None:
        start, end = span
        since = state.waiting_since - self.off if seen and state.waiting_since else None
        last = self.stretches[-1] if self.stretches else None
        if last is None or last.since != since:
            if last is not None:
                last.outcome = "gone" if not seen else "closed" if state.archived else "answered"
            off = self.off.total_seconds()
            last = Stretch(start, end, since, proves=_proves(state), off=off)
            self.stretches.append(last)
        last.end = end
        if state.torn & {"messages", "newest"}:
            self.torn.append(span)
        if state.archived and kind == "highlevel" and _covers_answer(state):
            self.covered.append((start, end))
        if kind == "chatwoot":  # where a bot has cleared the stamp, the creation stands for it
            stamps = [set_in(state.stamps, version) for version in versions]
            stamps.append(state.created_at)
            last.natives |= {int(stamp.timestamp()) for stamp in stamps if stamp}
        if seen and tells(kind, state):
            if last.polled is None and moved_at(kind, state) - last.off >= start:
                last.polled = start
            if last.telling and last.telling[-1][1] == start:
                last.telling[-1] = (last.telling[-1][0], end)
            else:
                last.telling.append((start, end))

    def between(self, start: float, end: float) -> list[Stretch]:
        """Return the stretches that touch a time."""
        return [one for one in self.stretches if one.start <= end and start < one.end]

    def lacked(self, start: float, end: float) -> bool:
        """Return whether a row lacked messages at any time between two."""
        return any(a <= end and start <= b for a, b in self.torn)

    def whole_from(self, start: float, limit: float) -> float:
        """Return when a row last showed messages again between two times, the first where it always did."""
        return max((end for _, end in self.torn if start <= end <= limit), default=start)

    def hide_answer(self, ends: list[Stretch], start: float, end: float) -> bool:
        """Return whether a row of this time, put away below an activity line or the customer's words, leaves
        open how one of these waits ended. Its `lastManualMessageDate` is that of a person's answer or of
        the customer's next words: where somebody has read those, the row is the same, as it is whether a
        person answered before the customer's last words or nobody did.
        """
        covered = any(a <= end and start < b for a, b in self.covered)
        return covered and not all(one.proves for one in ends)


def tells(kind: str, state: State) -> bool:
    """Return whether the row of a state shows who has the last word."""
    if state.archived:
        return True
    if _below_activity(kind, state):
        return False
    message = state.message
    if message is None or message.direction == "inbound":
        return True
    return message.direction == "outbound" and message.sender in ANSWERS


def _below_activity(kind: str, state: State) -> bool:
    """Return whether the row of a state shows an activity line in the last message's place."""
    return kind == "highlevel" and isinstance(newest_event(state), Activity)


def _covers_answer(state: State) -> bool:
    """Return whether the newest line of a state does not show whether a person had answered before it."""
    line = newest_event(state)
    return isinstance(line, Activity) or (line is not None and line.direction == "inbound")


def _proves(state: State) -> bool:
    """Return whether a row proves a person's answer to a wait that begins with this state."""
    if state.outbound_by is None:
        since = state.waiting_since
        return since is not None and since - state.created_at <= AT_ONCE
    return state.outbound_by not in ANSWERS


def judge_waits(chronicle: Chronicle) -> None:
    """Judge the waits of one reign."""
    versions = [version for _, version in chronicle.reign.source.versions]
    for subject, conversation in chronicle.reign.account.conversations.items():
        waits = Waits(chronicle.kind, conversation, versions)
        looks = chronicle.looks.get(subject, [])
        if chronicle.kind == "leadping":
            _never(chronicle, subject, looks)
        else:
            _Judge(chronicle, subject, waits, looks).judge()


def _never(chronicle: Chronicle, subject: str, looks: list[Look]) -> None:
    """Leadping tells no direction, so nobody can be told to wait there."""
    for look in looks:
        told = {"conversation.waiting", "conversation.answered"} & set(look.types)
        if told or look.told["waiting_since"] is not None:
            chronicle.wrong(look.at, f"{subject}: waits, which no row shows")


class _Judge:
    """One conversation's waits against what was told of them."""

    def __init__(self, chronicle: Chronicle, subject: str, waits: Waits, looks: list[Look]) -> None:
        self.chronicle, self.reign = chronicle, chronicle.reign
        self.subject, self.waits, self.looks = subject, waits, looks
        self.believed: list[tuple[float, Any]] = [(0.0, self._found())]
        """What was believed from when on, `...` where that may be several things."""

        self.removed: Any = None
        """What was believed when it was removed: one that returns waits on if it waited."""

        self.doubtful: Told = None
        """A wait that was told below a line that does not tell, and of which nothing else is known."""

    def wrong(self, at: float, text: str) -> None:
        self.chronicle.wrong(at, f"{self.subject}: {text}")

    def judge(self) -> None:
        before = 0.0
        for look in self.looks:
            self._take(look, before)
            before = look.seen - self.reign.slack(look.seen)
        self._complete()

    def _found(self) -> Any:
        """Return what the baseline found, `...` where that may be several things."""
        if self.subject not in self.chronicle.known:
            past = self.reign.past(self.subject, mapped=False)
            assert past is not None
            return (
                ... if past.created < self.chronicle.began - TIE else None
            )  # it may join silently
        found = self.waits.between(self.chronicle.since, self.chronicle.baselined)
        start, end = self.chronicle.since, self.chronicle.baselined
        sure = len(found) == 1 and any(a <= start and end <= b for a, b in found[0].telling)
        if not sure:
            return ...
        return None if found[0].since is None else ...  # which of its times it took is not told

    # -- what was told happened ---------------------------------------------------------------

    def _take(self, look: Look, before: float) -> None:
        believed: Any = self.believed[-1][1]
        name = f"at event {look.seq} ({', '.join(look.types)})"
        if "conversation.removed" in look.types:
            self.removed = believed
            self.believed.append((look.seen, None))
            return
        now: Any = believed
        for entry in look.entries:
            data = entry.event.data
            if entry.event.type == "conversation.answered":
                sides = data["changes"]["waiting_since"]
                if sides["before"] is None or (now is not ... and now != sides["before"]):
                    self.wrong(look.at, f"{name}: answered {sides['before']}, told last: {now}")
                self._ended(look, before, sides["before"], data)
                now = None
            elif entry.event.type == "conversation.waiting":
                sides = data["changes"]["waiting_since"]
                if now is not None and now is not ...:
                    self.wrong(look.at, f"{name}: waits since {sides['after']}, told last: {now}")
                now = sides["after"]
        shown = {
            entry.event.data["conversation"]["waiting_since"]
            for entry in look.entries
            if entry.event.type != "conversation.answered"
        }
        if now is ... and shown:
            (now,) = shown if len(shown) == 1 else (...,)
        if shown - {now}:
            self.wrong(look.at, f"{name}: shows waiting since {shown}, told is {now}")
        self._true(look, before, believed, now, name)
        self.believed.append((look.seen, now))

    def _true(self, look: Look, before: float, believed: Any, now: Any, name: str) -> None:
        """What is told of who waits was so when it was seen, or nothing that tells was shown."""
        low = look.seen - self.reign.slack(look.seen)
        candidates = self.waits.between(low, look.seen + 0.002)
        if now is ... or any(one.fits(now, look.seen) for one in candidates):
            return
        returned = "conversation.created" in look.types
        same = believed is ... or now == believed or (returned and self.removed in (..., now))
        if same and any(self._goes_on(one, now) for one in candidates):
            return
        # Below a line that tells nothing, somebody may have written, and have been answered.
        between = self.waits.between(before, look.seen)
        silent = _withholds(look) or any(_silent(one, low, look.seen) for one in candidates)
        # What lacks the newest message alone may show one that is newer than the known one: that is no loss.
        silent |= self.waits.lacked(low, look.seen)
        # Where the status's key is gone from all rows, what was put away counts as put away still.
        silent |= "archived" in self.reign.doubtful_fields(low, look.seen)
        possible = same or _reopened(look, now) or any(one.fits(now, look.seen) for one in between)
        if silent and possible:
            self.doubtful = self.doubtful if same else now
            return
        truth = [one.since and one.since.isoformat() for one in candidates]
        self.wrong(look.at, f"{name}: waiting since {now} is told, in truth {truth}")

    @staticmethod
    def _goes_on(one: Stretch, told: Told) -> bool:
        """Return whether a told wait may stand for this one: what ended and began between two looks, or
        was told below a line that tells nothing, keeps its time.
        """
        return told is not None and one.since is not None and one.true(told) <= one.end

    def _ended(self, look: Look, before: float, since: str, data: dict[str, Any]) -> None:
        """A told end is one that happened since the last look, and as it is told."""
        ends = [
            one
            for one in self.waits.stretches
            if one.since is not None
            and one.end <= look.seen + 0.002
            and (one.end >= before or one.fits(since, one.end))
        ]
        outcome = data.get("outcome")
        if not ends and self._doubt_ends(look, since, outcome):
            return
        if not ends:
            self.wrong(look.at, f"the wait since {since} is told as {outcome}, and it is not over")
        elif self._written_over(ends, look.seen) or (
            outcome == "closed" and self._hidden(ends, look)
        ):
            pass  # who wrote again, or what stands above the answer (a survey), hides how it ended
        elif outcome not in (
            truth := {one.outcome for one in ends} | self._wrote(before, look.seen)
        ) and not self._doubt_ends(look, since, outcome):
            self.wrong(look.at, f"the wait since {since} is told as {outcome}, in truth {truth}")
        waited = data.get("waited")
        message = look.told["last_message"]
        answered = message is not None and message["direction"] == "outbound"
        if outcome == "answered" and answered and message["automated"] is False:
            exact = (_time(message["at"]) - _time(since)).total_seconds()
            if len(ends) == 1 and (waited is None or abs(waited - exact) > 2 * APART):
                text = f"answered after {exact:.0f} s, told are {waited}"
                self.wrong(look.at, f"the wait since {since} was {text}")

    def _hidden(self, ends: list[Stretch], look: Look) -> bool:
        """Return whether the row of what is put away does not show that these waits were answered."""
        low = look.seen - self.reign.slack(look.seen)
        return _covered(look) or self.waits.hide_answer(ends, low, look.seen + 0.002)

    def _doubt_ends(self, look: Look, since: Told, outcome: Any) -> bool:
        """Return whether a wait that was told in doubt is told as over because of what really ends one.

        Whether the customer wrote before a person's answer or after it, and then a bot (whose text clears
        Chatwoot's stamp), a note or an activity line above both does not show. Nor does the answer itself in
        a torn row of what is opened again: the words that the archive closed seem to wait once more.
        """
        if since is None or since != self.doubtful:
            return False
        closed = outcome == "closed" and bool(look.told["archived"])
        began = _seconds(_time(since) - self.waits.off)
        return closed or outcome in self._wrote(began, look.seen)

    def _written_over(self, ends: list[Stretch], seen: float) -> bool:
        """Return whether a customer waits again since the end."""
        over = max(one.end for one in ends)
        return any(
            one.since is not None and over <= one.start <= seen for one in self.waits.stretches
        )

    def _wrote(self, start: float, end: float) -> set[str]:
        """Return that it was answered where a person wrote: perhaps just after it was put away."""
        last = next((at for at in reversed(self.waits.answers) if at <= end + 0.002), -1.0)
        return {"answered"} if last >= start else set()

    # -- what stood was told ------------------------------------------------------------------

    def _complete(self) -> None:
        for one in self.waits.stretches:
            for start, end in one.telling:
                if start <= self.chronicle.baselined:
                    continue
                limit = end + LATE if self.reign.stands(start, end) else None
                polled = one.polled if one.since is not None else None
                if limit is None and polled is not None and start <= polled < end:
                    limit = self.reign.prompt(polled, end)
                    # The answer that a poll reads may have lacked it: then the next one shows it.
                    if (
                        limit is not None
                        and (whole := self.waits.whole_from(polled, limit)) > polled
                    ):
                        again = self.chronicle.shows_again(self.subject, whole)
                        limit = self.reign.prompt(whole, end) if again else None
                if limit is not None:
                    self._believed_by(one, start, limit)
        if self.reign.end == float("inf"):
            self._rest()

    def _believed_by(self, one: Stretch, start: float, limit: float) -> None:
        before = [value for at, value in self.believed if at <= start][-1:]
        values = [*before, *(value for at, value in self.believed if start < at <= limit)]
        for value in values:
            if value is ... or one.fits(value, limit) or self._goes_on(one, value):
                return
        what = "nobody waits any more" if one.since is None else "a customer waits"
        self.wrong(start, f"{what} from {start:.0f} until {limit:.0f}: never told, but {values}")

    def _rest(self) -> None:
        """At the quiet end it is known who waits."""
        snapshot = self.chronicle.run.snapshots[self.reign.source.name].get(self.subject)
        if snapshot is None:
            return
        known = snapshot.conversation.waiting_since
        value = None if known is None else known.isoformat()
        one, end = self.waits.stretches[-1], self.chronicle.run.down[-1][0]
        if self.believed[-1][1] is not ... and self.believed[-1][1] is not None and value is None:
            self.wrong(end, f"waits no more, and it was never told ({self.believed[-1][1]})")
        right = one.fits(value, end) or self._goes_on(one, value)
        if not right and one.telling and one.telling[-1][1] == one.end:
            self.wrong(end, f"waits since {one.since} at the end, known: {value}")


def _withholds(look: Look) -> bool:
    """Return whether the last message that is told shows nobody waiting: a note's loss is told after a
    minute and two looks, so until then the row counts as if it stood, whatever the row shows below it.
    """
    message = look.told["last_message"]
    note = message is not None and message["direction"] == "internal"
    return bool(note and not look.told["archived"])


def _covered(look: Look) -> bool:
    """Return whether what is put away ends with a line that is neither a customer's nor a person's."""
    message = look.told["last_message"]
    machine = message is not None and (message["automated"] or message["direction"] == "internal")
    return bool(look.told["archived"] and machine)


def _reopened(look: Look, told: Told) -> bool:
    """Return whether the words that the archive closed are told to wait again as it ends.

    No person has answered them. Where the row tells nothing of what the customer wrote since, they are
    the first that are known to be unanswered.
    """
    message = look.told["last_message"]
    asks = message is not None and message["direction"] == "inbound" and message["at"] == told
    return asks and "conversation.unarchived" in look.types


def _silent(one: Stretch, start: float, end: float) -> bool:
    """Return whether some of a time in a stretch is not of rows that tell."""
    low, high = max(start, one.start), min(end, one.end)
    return not any(a <= low and high <= b for a, b in one.telling)


def _time(told: str) -> datetime:
    return datetime.fromisoformat(told.replace("Z", "+00:00"))


def seconds_of(told: str) -> float:
    """Return the time of the run that a told time means."""
    return _seconds(_time(told))


def _seconds(at: datetime) -> float:
    return (at - START).total_seconds()
