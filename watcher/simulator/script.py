"""Plausible days in a simulated world, for the demonstration: a tour, then chance.

Rules: no clock, no waiting, no I/O; `Script.step()` performs one mutation and returns it as one line.
The same world, seed and calls make the same story.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from watcher.simulator import people
from watcher.simulator.state import Account, Agent, Attachment, Conversation, Kind
from watcher.simulator.versions import can
from watcher.simulator.waiting import Sender
from watcher.simulator.world import World

__all__ = ["Script", "lively"]

NAMES: dict[Kind, str] = {
    "leadping": "Leadping",
    "highlevel": "HighLevel",
    "chatwoot": "Chatwoot",
}
Act = Callable[["Script", Account], str | None]
"""Does one thing in an account and returns what; None when it cannot be done there now."""


def lively(world: World, rng: Random | None = None) -> Script:
    """Begin a story in all accounts of the world; `rng` defaults to one seeded by the world's."""
    return Script(world, rng or Random(world.rng.random()))  # noqa: S311 - a reproducible story


class Script:
    """A story. It begins with a tour that shows every event type once that the accounts allow."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world = world
        self.rng = rng
        self._tour = [step for step in TOUR if self._place(step[0]) is not None]
        self._focus: dict[str, Conversation] = {}

    def step(self) -> str:
        """Perform the next mutation and return it as one line."""
        while self._tour:
            kinds, act = self._tour.pop(0)
            account = self._place(kinds)
            if account is not None and (told := act(self, account)):
                return f"{NAMES[account.kind]}: {told}"
        while True:
            account = self.rng.choice(list(self.world.accounts.values()))
            acts, weights = zip(*CHANCE[account.kind], strict=True)
            act = self.rng.choices(acts, weights)[0]
            self._focus.pop(account.key, None)
            if told := act(self, account):
                return f"{NAMES[account.kind]}: {told}"

    def subject(self, account: Account) -> Conversation:
        """Return the conversation that the story is about: in the tour the same for a while."""
        focus = self._focus.get(account.key)
        if focus is not None and account.sees(focus.state):
            return focus
        living = account.living()
        busy = [c for c in living if not c.state.archived]
        chosen = self.rng.choice(busy or living) if living else self.world.create(account)
        return self.keep(account, chosen)

    def keep(self, account: Account, conversation: Conversation) -> Conversation:
        """Let the story stay with this conversation."""
        self._focus[account.key] = conversation
        return conversation

    def _place(self, kinds: tuple[Kind, ...]) -> Account | None:
        """Return the first account of the kinds, in their order."""
        for kind in kinds:
            for account in self.world.of_kind(kind):
                return account
        return None


def _who(conversation: Conversation) -> str:
    return conversation.state.contact.name or conversation.state.contact.phone or "somebody"


def _writes(script: Script, account: Account) -> str:
    conversation, text = script.subject(account), script.rng.choice(people.INBOUND)
    script.world.message(conversation, text)
    return f"{_who(conversation)} writes: {text}"


def _answers(script: Script, account: Account) -> str:
    conversation, text = script.subject(account), script.rng.choice(people.ANSWERS)
    script.world.message(conversation, text, "outbound")
    return f"an agent answers {_who(conversation)}: {text}"


def _notes(script: Script, account: Account) -> str:
    conversation, text = script.subject(account), script.rng.choice(people.NOTES)
    script.world.message(conversation, text, "internal")
    return f"a note about {_who(conversation)}: {text}"


def _reads(script: Script, account: Account) -> str | None:
    unread = [c for c in account.living() if c.state.unread]
    focus = script.subject(account)
    if not unread:
        return None
    conversation = focus if focus in unread else script.rng.choice(unread)
    script.world.read(conversation)
    return f"an agent reads what {_who(conversation)} wrote"


def _begins(script: Script, account: Account) -> str:
    text = script.rng.choice(people.INBOUND)
    conversation = script.keep(account, script.world.create(account, text))
    return f"{_who(conversation)} is new and writes: {text}"


def _is_greeted(script: Script, account: Account) -> str:
    """Begin a conversation in which the inbox answers at once: that is no answer."""
    text, greeting = script.rng.choice(people.INBOUND), script.rng.choice(people.GREETINGS)
    conversation = script.keep(account, script.world.create(account, text, greeting=greeting))
    return f"{_who(conversation)} is new, writes: {text} The inbox greets: {greeting}"


def _machine(script: Script, account: Account) -> str:
    conversation, greeting = script.subject(account), script.rng.choice(people.GREETINGS)
    by: Sender = "bot" if account.kind == "chatwoot" else "rule"
    script.world.answer(conversation, greeting, by)
    return f"a machine writes to {_who(conversation)}: {greeting}"


def _answers_by_phone(script: Script, account: Account) -> str:
    conversation, text = script.subject(account), script.rng.choice(people.ANSWERS)
    script.world.answer(conversation, text, "phone")
    return f"an agent answers {_who(conversation)} from a phone: {text}"


def _sends(script: Script, account: Account) -> str:
    conversation = script.subject(account)
    kind: Attachment = script.rng.choice(("image", "audio", "file"))
    script.world.attach(conversation, (kind,))
    return f"{_who(conversation)} sends without words: {kind}"


def _other_agent(script: Script, account: Account, conversation: Conversation) -> Agent | None:
    others = [agent for agent in account.agents if agent != conversation.state.assignee]
    return script.rng.choice(others) if others else None


def _assigns(script: Script, account: Account) -> str | None:
    """Assign or reassign; in the tour's first act there is no assignee yet."""
    conversation = script.subject(account)
    agent = _other_agent(script, account, conversation)
    if agent is None:
        return None
    verb = "gets" if conversation.state.assignee is None else "takes over"
    script.world.assign(conversation, agent)
    return f"{agent.name} {verb} {_who(conversation)}"


def _unassigns(script: Script, account: Account) -> str | None:
    conversation = script.subject(account)
    if conversation.state.assignee is None:
        owned = [c for c in account.living() if c.state.assignee is not None]
        if not owned:
            return None
        conversation = script.keep(account, script.rng.choice(owned))
    script.world.assign(conversation, None)
    return f"{_who(conversation)} belongs to nobody now"


def _team(script: Script, account: Account) -> str | None:
    conversation = script.subject(account)
    teams = [team for team in account.teams if team != conversation.state.team]
    if not teams:
        return None
    team = script.rng.choice(teams)
    script.world.set_team(conversation, team)
    return f"{_who(conversation)} goes to team {team.name}"


def _archives(script: Script, account: Account) -> str | None:
    conversation = script.subject(account)
    if conversation.state.archived:
        return None
    script.world.archive(conversation)
    verb = "resolved" if account.kind == "chatwoot" else "archived"
    return f"the conversation with {_who(conversation)} is {verb}"


def _unarchives(script: Script, account: Account) -> str | None:
    focus = script.subject(account)
    done = [c for c in account.living() if c.state.archived and not _asks_twice(c)]
    if not done:
        return None
    conversation = focus if focus in done else script.rng.choice(done)
    script.world.unarchive(conversation)
    return f"the conversation with {_who(conversation)} is opened again"


def _asks_twice(conversation: Conversation) -> bool:
    """Return whether more than the last message is unanswered: rows do not tell since when."""
    state = conversation.state
    return state.asked_at is not None and (
        state.message is None or state.message.at != state.asked_at
    )


def _status(script: Script, account: Account) -> str | None:
    conversation = script.subject(account)
    if conversation.state.archived:
        return None
    words = (
        ("open", "pending") if account.kind == "chatwoot" else ("needs_reply", "waiting", "open")
    )
    status = script.rng.choice([word for word in words if word != conversation.state.status])
    script.world.set_status(conversation, status)
    return f"{_who(conversation)} is now {status}"


def _snoozes(script: Script, account: Account) -> str | None:
    conversation = script.subject(account)
    if conversation.state.status == "snoozed":
        script.world.snooze_expires(conversation)
        return f"{_who(conversation)} is back from snoozing"
    if conversation.state.archived:
        return None
    script.world.snooze(conversation)
    return f"{_who(conversation)} is snoozed until the next reply"


def _disposition(script: Script, account: Account) -> str:
    conversation = script.subject(account)
    now = conversation.state.disposition
    others = [one for one in people.DISPOSITIONS if now is None or one[0] != now.id]
    name, label, outcome, category = script.rng.choice(others)
    by = script.rng.choice(account.agents).id if account.agents else None
    script.world.set_disposition(conversation, name, label, outcome, by, category)
    return f"{_who(conversation)} is marked “{label}”"


def _labels(script: Script, account: Account) -> str | None:
    conversation = script.subject(account)
    if not account.labels:
        return None
    label, now = script.rng.choice(account.labels), conversation.state.labels
    if label in now:
        script.world.set_labels(conversation, [one for one in now if one != label])
        return f"{_who(conversation)} loses the label {label}"
    script.world.set_labels(conversation, [*now, label])
    return f"{_who(conversation)} gets the label {label}"


def _priority(script: Script, account: Account) -> str | None:
    if not can(account.version, "priorities"):
        return None
    conversation = script.subject(account)
    words = [w for w in ("low", "medium", "high", "urgent") if w != conversation.state.priority]
    priority = script.rng.choice(words)
    script.world.set_priority(conversation, priority)
    return f"{_who(conversation)} has priority {priority}"


def _contact(script: Script, account: Account) -> str:
    conversation = script.subject(account)
    old = _who(conversation)
    others = [name for name in people.LAST_NAMES if name not in old]
    name = f"{old.split()[0]} {script.rng.choice(others)}"
    script.world.rename_contact(conversation, name)
    return f"{old} is called {name} now"


def _extra(script: Script, account: Account) -> str:
    conversation = script.subject(account)
    if account.kind == "highlevel":
        starred = not conversation.state.starred
        script.world.star(conversation, starred)
        return f"{_who(conversation)} is {'starred' if starred else 'not starred any more'}"
    if account.kind == "chatwoot":
        order = script.rng.randrange(1000, 9999)
        script.world.set_attribute(conversation, "order", order)
        return f"{_who(conversation)} is about order {order}"
    number = f"number-{script.rng.randrange(10, 99)}"
    script.world.set_attribute(conversation, "activeOutboundPhoneNumberId", number)
    return f"{_who(conversation)} is answered from {number}"


def _deletes(script: Script, account: Account) -> str | None:
    if len(account.living()) < 4:
        return None
    conversation = script.subject(account)
    script.world.delete(conversation)
    return f"the conversation with {_who(conversation)} is deleted"


CHATWOOT: tuple[Kind, ...] = ("chatwoot", "highlevel", "leadping")
HIGHLEVEL: tuple[Kind, ...] = ("highlevel", "chatwoot", "leadping")
LEADPING: tuple[Kind, ...] = ("leadping", "chatwoot", "highlevel")
OWNERS: tuple[Kind, ...] = ("chatwoot", "highlevel")

TOUR: tuple[tuple[tuple[Kind, ...], Act], ...] = (
    (CHATWOOT, _is_greeted),
    (HIGHLEVEL, _writes),
    (CHATWOOT, _answers),
    (LEADPING, _writes),
    (CHATWOOT, _reads),
    (OWNERS, _assigns),
    (("leadping",), _disposition),
    (OWNERS, _assigns),
    (("highlevel",), _assigns),
    (("chatwoot", "highlevel"), _labels),
    (("chatwoot",), _priority),
    (HIGHLEVEL, _contact),
    (("chatwoot",), _team),
    (("chatwoot",), _snoozes),
    (("leadping", "chatwoot"), _status),
    (CHATWOOT, _archives),
    (CHATWOOT, _unarchives),
    (HIGHLEVEL, _extra),
    (OWNERS, _unassigns),
    (LEADPING, _reads),
    (LEADPING, _archives),
    (LEADPING, _unarchives),
    (HIGHLEVEL, _reads),
    (LEADPING, _deletes),
)
"""Every event type of the contract, at the first provider in the list that is there."""

COMMON: tuple[tuple[Act, int], ...] = (
    (_writes, 30),
    (_reads, 16),
    (_answers, 14),
    (_begins, 3),
    (_is_greeted, 3),
    (_machine, 3),
    (_answers_by_phone, 2),
    (_sends, 2),
    (_notes, 3),
    (_archives, 5),
    (_unarchives, 2),
    (_contact, 2),
    (_extra, 2),
    (_deletes, 1),
)
CHANCE: dict[Kind, tuple[tuple[Act, int], ...]] = {
    "leadping": (*COMMON, (_disposition, 6), (_status, 3)),
    "highlevel": (*COMMON, (_assigns, 6), (_unassigns, 2), (_labels, 4)),
    "chatwoot": (
        *COMMON,
        (_assigns, 6),
        (_unassigns, 2),
        (_labels, 4),
        (_team, 3),
        (_priority, 3),
        (_status, 2),
        (_snoozes, 2),
    ),
}
