"""What happens at the providers: every mutation that the simulated world knows, now and then.

Rules: no clock, no waiting. Texts are numbered, so that no two messages look alike. Some changes are
taken back at once, some come in a burst: the watcher may miss those, but may not tell them wrongly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Literal

from watcher.simulator import Account, Conversation, World, people
from watcher.simulator.state import Attachment, Part
from watcher.simulator.versions import can
from watcher.simulator.waiting import Sender

__all__ = ["EDITED", "Begun", "Story"]

Begun = Literal["delete", "delete contact", "tear"]
"""What takes some steps: the story takes the first."""

EDITED = " (edited)"
"""What an edit adds to a text."""
MOST = 90
"""Conversations of an account; with more of them, deletions catch up with arrivals."""


class Story:
    """Chance events in the accounts of one world."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world, self.rng = world, rng
        self.done: Counter[str] = Counter()
        self.begun: dict[Conversation, Begun] = {}
        """What is under way: its further steps are taken by whoever has a clock."""
        self._texts = 0
        self._torn: set[Conversation] = set()
        self._hot: dict[str, list[Conversation]] = {}

    def act(self, account: Account) -> str:
        """Let one thing happen in an account; gives its name, empty where it could not."""
        acts, weights = WEIGHTS[account.kind]
        act = self.rng.choices(acts, weights)[0]
        living = account.living()
        if not living and act is not _create:
            act = _create
        if act is _delete and len(living) < 3:
            return ""
        if act in (_create, _import, _appear) and len(living) > MOST:
            act = _delete
        subject = self._subject(account, living) if living else None
        act(self, account, subject)  # type: ignore[arg-type]
        name = act.__name__.lstrip("_")
        self.done[name] += 1
        return f"{name} {subject.id if subject is not None else ''}"

    def tear(self, account: Account, rng: Random) -> Conversation | None:
        """Let a row lack a part, each once, so that no two moments look like one that lasts. Of those that
        never did it is the busiest, which polls show; None where there is none.
        """
        whole = [
            one
            for one in account.living()
            if not (one in self.begun or one in self._torn or one.state.torn)
        ]
        if not whole:
            return None
        subject = max(whole, key=lambda one: one.history[-1][0])
        parts: tuple[Part, ...] = rng.choice((("messages",), ("newest",), ("contact",)))
        if account.kind == "chatwoot" and parts == ("contact",):
            parts = ("messages",)
        self.world.tear(subject, parts)
        self.begun[subject] = "tear"
        self._torn.add(subject)
        return subject

    def text(self) -> str:
        """Return a text that was never written before."""
        self._texts += 1
        return f"{self.rng.choice(people.INBOUND)} ({self._texts})"

    def heat(self, account: Account, conversations: list[Conversation]) -> None:
        """Let these be the busy ones for a while."""
        self._hot[account.key] = list(conversations)

    def _subject(self, account: Account, living: list[Conversation]) -> Conversation:
        """Mostly one of a few that are busy today, so that changes follow upon each other."""
        hot = [c for c in self._hot.get(account.key, []) if account.sees(c.state)]
        if len(hot) < 4 or self.rng.random() < 0.02:
            hot = self.rng.sample(living, min(6, len(living)))
            self._hot[account.key] = hot
        return self.rng.choice(hot if self.rng.random() < 0.6 else living)


MACHINES: dict[str, tuple[Sender, ...]] = {
    "chatwoot": ("greeting", "survey", "bot", "bot", "assistant", "rule", "campaign", "nobody"),
    "highlevel": ("rule", "rule", "campaign", "bot"),
    "leadping": ("rule",),
}
KINDS: tuple[Attachment, ...] = ("image", "audio", "file", "location", "contact")
SECOND = timedelta(seconds=1)

Act = Callable[[Story, Account, Conversation], None]


def _write(story: Story, account: Account, subject: Conversation) -> None:
    story.world.message(subject, story.text())


def _answer(story: Story, account: Account, subject: Conversation) -> None:
    story.world.message(subject, story.text(), "outbound")


def _machine(story: Story, account: Account, subject: Conversation) -> None:
    """Let a machine write: that is no answer."""
    by = story.rng.choice(MACHINES[account.kind])
    # An inbox greets a customer who has written, and nobody else.
    if by == "greeting" and not subject.state.inbound:
        by = "bot"
    story.world.answer(subject, story.text(), by=by)


def _greeted(story: Story, account: Account, subject: Conversation) -> None:
    """The inbox answers within the moment: nobody sees the customer's words as the last ones."""
    if story.rng.random() < 0.5:
        story.world.create(account, story.text(), greeting=story.text())
    else:
        story.world.message(subject, story.text(), greeting=story.text())


def _answer_by_phone(story: Story, account: Account, subject: Conversation) -> None:
    story.world.answer(subject, story.text(), by="phone")


def _attach(story: Story, account: Account, subject: Conversation) -> None:
    """Send something besides words; two without words in one second could not be told apart."""
    rng, last = story.rng, subject.state.message
    bare = rng.random() < 0.7 and (last is None or story.world.time_at(account) - last.at > SECOND)
    kinds = tuple(rng.sample(KINDS, rng.choice((1, 1, 2))))
    story.world.attach(
        subject, kinds, None if bare else story.text(), rng.choice(("inbound", "outbound"))
    )


def _mail(story: Story, account: Account, subject: Conversation) -> None:
    story.world.message(subject, story.text(), subject=f"Order {story.rng.randrange(99)}")


def _appear(story: Story, account: Account, subject: Conversation) -> None:
    """An older conversation comes into view, with something new in it or not."""
    text = story.text() if story.rng.random() < 0.7 else None
    story.world.appear(account, text, days=60.0)


def _note(story: Story, account: Account, subject: Conversation) -> None:
    story.world.message(subject, story.text(), "internal")


def _edit(story: Story, account: Account, subject: Conversation) -> None:
    """Change the last message's words; they stay a continuation of what they were."""
    if subject.state.message is not None and subject.state.message.text is not None:
        story.world.edit(subject, f"{subject.state.message.text}{EDITED}")


def _activity(story: Story, account: Account, subject: Conversation) -> None:
    story.world.activity(subject)


def _read(story: Story, account: Account, subject: Conversation) -> None:
    story.world.read(subject)


def _unread(story: Story, account: Account, subject: Conversation) -> None:
    if subject.state.waiting_since is not None:  # else it looks as if somebody had written
        story.world.mark_unread(subject)


def _read_by_another(story: Story, account: Account, subject: Conversation) -> None:
    story.world.read(subject, story.rng.choice(account.agents))


def _create(story: Story, account: Account, subject: Conversation | None) -> None:
    shared = subject is not None and story.rng.random() < 0.1
    contact = subject.state.contact if shared and subject is not None else None
    text = story.text() if story.rng.random() < 0.9 else None
    story.world.create(account, text, contact=contact)


def _import(story: Story, account: Account, subject: Conversation) -> None:
    """Where many are new, or empty yet, much happens. At most seven read ones, and seven unread: more
    than a page of rows that share their millisecond, and that no filter of HighLevel's tells apart,
    stays a reported hole (docs/providers.md). Those that have no message are read.
    """
    rng = story.rng
    count, tied, text = rng.randint(2, 12), rng.random() < 0.7, rng.choice((None, story.text()))
    imported = story.world.import_conversations(
        account, count if text is not None else min(count, 7), same_timestamp=tied, text=text
    )
    for conversation in imported[7:]:
        story.world.read(conversation)
    story.heat(account, imported)


def _delete(story: Story, account: Account, subject: Conversation) -> None:
    """Delete it or its contact, at once or in steps."""
    world, with_contact = story.world, story.rng.random() < 0.3
    if story.rng.random() < 0.4:
        (world.delete_contact if with_contact else world.delete)(subject)
    elif subject not in story.begun and not subject.state.orphan:
        world.delete_step(subject, with_contact=with_contact)
        story.begun[subject] = "delete contact" if with_contact else "delete"


def _lose(story: Story, account: Account, subject: Conversation) -> None:
    """Delete a note for good: the message before it is the last one again."""
    last, before = subject.state.message, subject.state.recent[-2:-1]
    apart = not before or (last is not None and last.at - before[0].at > SECOND)
    if last is not None and last.direction == "internal" and apart and not subject.state.torn:
        story.world.lose(subject)


def _assign(story: Story, account: Account, subject: Conversation) -> None:
    agent = story.rng.choice([*account.agents, None])
    story.world.assign(subject, agent, actor=story.rng.random() < 0.7)


def _team(story: Story, account: Account, subject: Conversation) -> None:
    team = story.rng.choice([*account.teams, None])
    story.world.set_team(subject, team, actor=story.rng.random() < 0.7)


def _archive(story: Story, account: Account, subject: Conversation) -> None:
    if not subject.state.archived:
        trash = account.kind == "highlevel" and story.rng.random() < 0.3
        story.world.archive(subject, "trash" if trash else None)


def _unarchive(story: Story, account: Account, subject: Conversation) -> None:
    done = [c for c in account.living() if c.state.archived]
    if done:
        story.world.unarchive(story.rng.choice(done))


def _status(story: Story, account: Account, subject: Conversation) -> None:
    words = ("open", "pending", "resolved", "snoozed")
    words = words if account.kind == "chatwoot" else ("needs_reply", "waiting", "open")
    story.world.set_status(subject, story.rng.choice(words), actor=story.rng.random() < 0.7)


def _snooze(story: Story, account: Account, subject: Conversation) -> None:
    if subject.state.status == "snoozed":
        story.world.snooze_expires(subject)
    else:
        story.world.snooze(subject)


def _labels(story: Story, account: Account, subject: Conversation) -> None:
    labels = story.rng.sample(account.labels, min(len(account.labels), story.rng.randint(0, 3)))
    story.world.set_labels(subject, labels, actor=story.rng.random() < 0.7)


def _priority(story: Story, account: Account, subject: Conversation) -> None:
    priority = story.rng.choice((None, "low", "high", "urgent"))
    if can(account.version, "priorities"):
        story.world.set_priority(subject, priority)


def _contact(story: Story, account: Account, subject: Conversation) -> None:
    name = f"{story.rng.choice(people.FIRST_NAMES)} {story.rng.choice(people.LAST_NAMES)}"
    email = story.rng.choice((None, "", f"new{story.rng.randrange(999)}@example.com"))
    story.world.rename_contact(subject, name, email)


def _extra(story: Story, account: Account, subject: Conversation) -> None:
    world, rng = story.world, story.rng
    if account.kind == "highlevel":
        if rng.random() < 0.5:
            world.star(subject, not subject.state.starred)
        else:
            world.follow(subject, rng.choice(account.agents), rng.random() < 0.5)
    elif account.kind == "chatwoot":
        key = rng.choice(("order", "outcome", "outcome"))
        world.set_attribute(subject, key, rng.choice((None, "won", "lost", rng.randrange(99))))
    else:
        number = rng.choice((None, f"number-{rng.randrange(9)}"))
        world.set_attribute(subject, "activeOutboundPhoneNumberId", number)


def _noise(story: Story, account: Account, subject: Conversation) -> None:
    if account.kind == "leadping":
        story.world.set_attribute(subject, "nextStep", story.text())
    elif account.kind == "highlevel":
        story.world.set_attribute(subject, "companyName", story.text())


def _disposition(story: Story, account: Account, subject: Conversation) -> None:
    name, label, outcome, category = story.rng.choice(people.DISPOSITIONS)
    if story.rng.random() < 0.15:
        story.world.set_disposition(subject, None)
    else:
        by = story.rng.choice(account.agents).id
        story.world.set_disposition(subject, name, label, outcome, by, category)


def _hide(story: Story, account: Account, subject: Conversation) -> None:
    hidden = [c for c in account.conversations.values() if c.state.hidden]
    if hidden and story.rng.random() < 0.6:
        story.world.grant_access(story.rng.choice(hidden))
    else:
        story.world.revoke_access(subject)


def _flip(story: Story, account: Account, subject: Conversation) -> None:
    """Change something and change it back, or almost: nobody may see the middle."""
    if account.kind == "leadping":
        story.world.set_disposition(subject, "flip", "Flip")
        story.world.set_disposition(subject, None)
    elif account.kind == "highlevel":
        owner = subject.state.assignee
        story.world.assign(subject, story.rng.choice(account.agents))
        story.world.assign(subject, owner)
    elif can(account.version, "priorities"):
        before = subject.state.priority
        story.world.set_priority(subject, "medium")
        story.world.set_priority(subject, before)


def _burst(story: Story, account: Account, subject: Conversation) -> None:
    for _ in range(story.rng.randint(2, 12)):
        story.world.message(subject, story.text(), story.rng.choice(("inbound", "outbound")))


def _bulk(story: Story, account: Account, subject: Conversation) -> None:
    """Behind every timestamp's back: an agent, a label or a team disappears."""
    if account.kind == "highlevel" and len(account.labels) > 3:
        story.world.delete_label(account, account.labels[-1])
    elif account.kind == "chatwoot" and len(account.teams) > 1 and story.rng.random() < 0.3:
        story.world.delete_team(account, account.teams[-1])
    elif account.kind == "chatwoot" and len(account.agents) > 2:
        story.world.remove_agent(account, account.agents[-1])


COMMON: tuple[tuple[Act, int], ...] = (
    (_write, 24), (_answer, 10), (_note, 4), (_activity, 3), (_read, 14), (_unread, 2),
    (_create, 7), (_import, 2), (_delete, 3), (_archive, 6), (_unarchive, 4), (_contact, 3),
    (_extra, 5), (_noise, 1), (_flip, 2), (_burst, 1), (_machine, 6), (_greeted, 4),
    (_answer_by_phone, 3), (_attach, 3), (_appear, 1), (_lose, 5),
)  # fmt: skip
ACTS: dict[str, tuple[tuple[Act, int], ...]] = {
    "leadping": (*COMMON, (_disposition, 8), (_status, 4), (_hide, 2), (_read_by_another, 2)),
    "highlevel": (*COMMON, (_assign, 9), (_labels, 5), (_bulk, 1)),
    "chatwoot": (
        *COMMON, (_assign, 9), (_labels, 5), (_team, 4), (_priority, 4), (_status, 4),
        (_snooze, 2), (_hide, 2), (_bulk, 1), (_edit, 5), (_mail, 3),
    ),
}  # fmt: skip
WEIGHTS: dict[str, tuple[tuple[Act, ...], tuple[int, ...]]] = {
    kind: tuple(zip(*acts, strict=True))  # type: ignore[misc]
    for kind, acts in ACTS.items()
}
