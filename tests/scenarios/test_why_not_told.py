"""Why somebody was not told, in virtual time: each situation is made by the whole daemon, and what it
recorded is asked. The first finding is the one that explains it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args

import anyio
import pytest

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet
from watcher.config.load import load
from watcher.daemon.asked import configured
from watcher.explain.not_told import why_not_told
from watcher.explain.question import FindingKind, Question
from watcher.explain.waits import WaitReason
from watcher.records import Actor, EventQuery
from watcher.simulator import faults
from watcher.stories import read_facts

SHUT = "hours: {between: '03:00-04:00', timezone: Europe/Berlin"
MESSAGE = "- {name: R, when: conversation.message, notify: crm%s}"
WAITING = "- {name: R, when: conversation.waiting, for: 15m, notify: crm%s}"


@dataclass
class Situation:
    """A world and the question; what is set, the table checks."""

    harness: Harness
    conversation: Any = None
    receiver: str = "crm"
    source: str = "sales"
    type: str = ""
    event: str = ""
    about: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    """Ends of the time asked for, where they are not the beginning of the situation and its end."""

    def quiet(self, rules: str = "", every: str = "20s", conversations: int = 4) -> None:
        """Watch an account in which everything is read."""
        _account, found = quiet(self.harness, conversations, every)
        self.conversation = found[0]
        self.harness.rules = rules or self.harness.rules

    async def says(self, text: str = "hello", after: float = 45) -> None:
        """Have the customer write, and let the watcher see it."""
        self.harness.world.message(self.conversation, text)
        await anyio.sleep(after)

    async def ask(self, since: Any) -> list[dict[str, Any]]:
        """Ask what is recorded."""
        config = load([self.harness.folder / "watcher.yaml"], environ={})
        decides = configured(config)
        now = self.harness.clock()
        about = self.about if self.about is not None else self.conversation.id
        question = Question(
            self.source,
            about,
            self.receiver,
            self.asked.get("since", since),
            self.asked.get("until", now),
            self.type,
            self.event,
        )
        facts = await read_facts(self.harness.store, question, decides, now)
        found = [one.to_plain() for one in why_not_told(question, facts, decides)]
        assert found
        assert json.loads(json.dumps(found)) == found
        assert all("\n" not in one["text"] for one in found)
        return found


Make = Callable[[Situation], Awaitable[Any]]
TABLE: list[tuple[str, str | None, str, Make]] = []


def situation(kind: str, by: str | None, text: str) -> Callable[[Make], Make]:
    """Add a row: the kind of the first finding, what decided it, and a part of its words."""

    def add(make: Make) -> Make:
        TABLE.append((kind, by, text, make))
        return make

    return add


async def once(s: Situation, rules: str, text: str = "hello", after: float = 45) -> Any:
    """Have one message come in under some rules; return when."""
    s.quiet(rules)
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        await s.says(text, after)
    return begun


# He was told


@situation("told", "R", "crm was told at 2026-11-20T10:00:")
async def told(s: Situation) -> Any:
    return await once(s, MESSAGE % "")


@situation("told", "nag", "by the rule 'nag'")
async def told_and_told_again_later(s: Situation) -> Any:
    return await once(s, "- {name: nag, when: conversation.waiting, repeat: 30m, notify: crm}")


# Messages that were not sent


@situation("throttled", "R", "throttled: the rule 'R' has sent one at")
async def throttled(s: Situation) -> Any:
    s.quiet(MESSAGE % ", throttle: 1h")
    async with s.harness.running():
        await s.harness.baseline()
        await s.says("first")
        begun = s.harness.clock()
        await s.says("second")
    return begun


@situation("silenced", None, "(added by Ana)")
async def silenced_by_a_person(s: Situation) -> Any:
    s.quiet(MESSAGE % "")
    async with s.harness.running() as daemon:
        await s.harness.baseline()
        begun = s.harness.clock()
        await daemon.add_silence("true", "import", begun + timedelta(hours=2), Actor("Ana"))
        await s.says()
    return begun


@situation("silenced", "office", "silenced until 2026-12-24T")
async def silenced_by_the_configuration(s: Situation) -> Any:
    s.harness.general = (
        "silences:\n- {name: office, match: 'true', reason: closed, until: '2026-12-24 09:00'}\n"
    )
    return await once(s, MESSAGE % "")


@situation("dropped", "R", "dropped: outside the hours of the rule 'R'")
async def dropped_outside_the_hours(s: Situation) -> Any:
    return await once(s, MESSAGE % f", {SHUT}, otherwise: drop}}")


@situation("redirected", "R", "redirected to night: outside the hours")
async def sent_to_somebody_else(s: Situation) -> Any:
    s.harness.hear("night")
    return await once(s, MESSAGE % f", {SHUT}, otherwise: night}}")


@situation("acknowledged", "R", "10:15:20.000Z, but it was acknowledged by Ana at")
async def acknowledged(s: Situation) -> Any:
    s.quiet(WAITING % "")
    async with s.harness.running() as daemon:
        await s.harness.baseline()
        begun = s.harness.clock()
        await s.says()
        await daemon.acknowledge("sales", s.conversation.id, Actor("Ana", "link"))
    return begun


@situation("ended", "R", "that was over before: it was answered")
async def answered_in_time(s: Situation) -> Any:
    s.quiet(WAITING % "")
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        await s.says()
        s.harness.world.message(s.conversation, "Here I am", "outbound")
        await anyio.sleep(1800)
    return begun


@situation("retired", "R", "taken back: ")
async def the_rule_is_gone(s: Situation) -> Any:
    begun = await once(s, WAITING % "")
    s.harness.rules = "- {name: other, when: source.failing, notify: crm}"
    async with s.harness.running():
        await anyio.sleep(30)
    return begun


@situation("dead", "boss", "given up: given up after 2 attempts: HTTP 500")
async def given_up(s: Situation) -> Any:
    s.harness.hear("boss", "    retry: [1s]\n").status = 500
    s.receiver = "boss"
    return await once(s, "- {name: R, when: conversation.message, notify: boss}")


@situation("dead", "boss", "given up: ")
async def the_receiver_is_gone(s: Situation) -> Any:
    s.harness.hear("boss").status = 500
    s.receiver = "boss"
    begun = await once(s, "- {name: R, when: conversation.message, notify: boss}")
    s.harness.receivers, s.harness.rules = "", MESSAGE % ""
    async with s.harness.running():
        await anyio.sleep(30)
    return begun


# Messages that wait


@situation("hours", "R", "not been told yet: the hours of the rule 'R' open at 2026-11-21T02:00")
async def held_until_the_hours(s: Situation) -> Any:
    return await once(s, MESSAGE % f", {SHUT}}}")


@situation("digest", "R", "collects until 2026-11-20T11:00")
async def collected(s: Situation) -> Any:
    return await once(s, MESSAGE % ", digest: 1h")


@situation("timer", "R", "if nobody has answered then")
async def the_time_is_not_over(s: Situation) -> Any:
    return await once(s, WAITING % "")


@situation("retry", "R", "attempt 2 is at")
async def tried_again_later(s: Situation) -> Any:
    s.harness.inbox.status = 503
    return await once(s, MESSAGE % "", after=23)


@situation("order", None, "an earlier delivery of the same conversation goes first")
async def another_goes_first(s: Situation) -> Any:
    s.quiet(MESSAGE % "")
    s.harness.inbox.status = 500
    async with s.harness.running():
        await s.harness.baseline()
        await s.says("first")
        begun = s.harness.clock()
        await s.says("second")
    return begun


@situation("paused", "crm", "the receiver crm fail")
async def the_receiver_fails(s: Situation) -> Any:
    s.quiet(MESSAGE % "")
    s.harness.inbox.status = 500
    async with s.harness.running():
        await s.harness.baseline()
        for other in list(s.conversation.account.conversations.values())[1:]:
            s.harness.world.message(other, "hello")
        begun = s.harness.clock()
        await s.says()
        await anyio.sleep(360)
    return begun


@situation("off", "crm", "the receiver crm is off: HTTP 410")
async def the_receiver_is_off(s: Situation) -> Any:
    s.harness.inbox.status = 410
    return await once(s, MESSAGE % "")


# Rules that made no message


@situation("condition", "R", '`where` is false: `"vip" in conversation.labels`')
async def the_condition_is_false(s: Situation) -> Any:
    return await once(s, MESSAGE % """, where: '"vip" in conversation.labels'""")


@situation("condition", "R", "(3 events)")
async def the_condition_is_false_again_and_again(s: Situation) -> Any:
    s.quiet(MESSAGE % """, where: '"vip" in conversation.labels'""")
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        for text in ("one", "two", "three"):
            await s.says(text)
    return begun


@situation("condition", "R", "`unless` is true")
async def an_exception_holds(s: Situation) -> Any:
    return await once(s, MESSAGE % ", unless: conversation.unread")


@situation("condition-failed", "R", "`where` could not be evaluated")
async def the_condition_fails(s: Situation) -> Any:
    return await once(s, MESSAGE % ", where: conversation.attributes.nothing.deep == 1")


@situation("other-type", "R", "ask for other types than conversation.")
async def rules_ask_for_other_types(s: Situation) -> Any:
    return await once(s, "- {name: R, when: conversation.archived, notify: crm}")


@situation("stopped", "R", "`stop` of the rule 'first'")
async def an_earlier_rule_stops(s: Situation) -> Any:
    s.harness.hear("night")
    first = "- {name: first, when: conversation.*, stop: true, notify: night}\n"
    return await once(s, first + MESSAGE % "")


@situation("no-rule", "boss", "no rule tells boss of anything")
async def nobody_tells_the_receiver(s: Situation) -> Any:
    s.harness.hear("boss")
    s.receiver = "boss"
    return await once(s, MESSAGE % "")


@situation("no-receiver", "crn", "there is no receiver crn")
async def the_receiver_is_misspelt(s: Situation) -> Any:
    s.receiver = "crn"
    return await once(s, MESSAGE % "")


@situation("rule-newer", "new", "was not there yet when conversation.message was recorded")
async def the_rule_came_later(s: Situation) -> Any:
    s.harness.hear("boss")
    s.receiver = "boss"
    begun = await once(s, MESSAGE % "")
    s.harness.rules += "\n- {name: new, when: conversation.message, notify: boss}"
    async with s.harness.running():
        await anyio.sleep(30)
    return begun


@situation("not-named", "R", "matched conversation.message, but did not name boss then")
async def the_rule_names_him_since_later(s: Situation) -> Any:
    s.harness.hear("boss")
    s.receiver = "boss"
    begun = await once(s, MESSAGE % "")
    s.harness.rules = (MESSAGE % "").replace("notify: crm", "notify: [crm, boss]")
    async with s.harness.running():
        await anyio.sleep(30)
    return begun


@situation("running", "R", "was waiting since 2026-11-20T10:00")
async def the_rule_waits_already(s: Situation) -> Any:
    s.quiet("- {name: R, when: conversation.unread, for: 1h, notify: crm}")
    async with s.harness.running():
        await s.harness.baseline()
        await s.says("first")
        begun = s.harness.clock()
        await s.says("second")
    return begun


@situation("itself", "R", "crm does not get events about itself")
async def news_about_the_receiver_itself(s: Situation) -> Any:
    s.quiet(MESSAGE % "" + "\n- {name: R, when: receiver.failing, notify: crm}")
    s.harness.rules = s.harness.rules.replace(
        "name: R, when: conversation", "name: M, when: conversation"
    )
    s.harness.inbox.status = 500
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        await s.says()
        await anyio.sleep(1200)
    (failing,) = [
        one.event for one in await s.harness.store.events(EventQuery(types=("receiver.failing",)))
    ]
    s.event, s.about, s.source = failing.id, "", failing.source
    return begun


# No event


@situation("failing", "sales", "the source sales could not be read from")
async def the_source_failed(s: Situation) -> Any:
    s.quiet()
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        s.harness.faults["chatwoot"].plan(faults.status(502))
        s.harness.world.mark_unread(s.conversation)
        await anyio.sleep(900)
        s.harness.world.read(s.conversation)
        s.harness.faults["chatwoot"].clear()
        await anyio.sleep(600)
    return begun


@situation("network", "network", "no source could be reached from")
async def the_network_failed(s: Situation) -> Any:
    def refuse(_seen: object) -> bool:
        raise ConnectionRefusedError(111, "Connection refused")

    s.quiet()
    s.harness.watch("leadping", "leads", "2", conversations=3)
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        for provider in ("chatwoot", "leadping"):
            s.harness.faults[provider].plan(faults.status(500), refuse)
        await anyio.sleep(1800)
    return begun


@situation("held", "sales", "what a sweep of sales showed was held back from")
async def a_sweep_is_held(s: Situation) -> Any:
    s.quiet(conversations=40)
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        for one in list(s.conversation.account.conversations.values()):
            s.harness.world.delete(one)
        await anyio.sleep(1900)
    return begun


@situation("before-baseline", "sales", "is watched since")
async def it_was_there_before(s: Situation) -> Any:
    begun = s.harness.clock()
    s.quiet()
    s.harness.world.message(s.conversation, "long ago")
    await anyio.sleep(60)
    s.asked["until"] = s.harness.clock()
    async with s.harness.running():
        await s.harness.baseline()
    return begun


@situation("never-shown", "leads", "leadping never shows assignee")
async def the_provider_never_shows_it(s: Situation) -> Any:
    account = s.harness.watch("leadping", "leads", "2", conversations=3)
    s.source, s.type = "leads", "conversation.assigned"
    s.conversation = next(iter(account.conversations.values()))
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        await anyio.sleep(120)
    return begun


@situation("unknown-conversation", "sales", "no conversation 4711 was ever seen")
async def nobody_has_seen_it(s: Situation) -> Any:
    s.about = "4711"
    return await once(s, MESSAGE % "")


@situation("unknown-source", "shop", "no source is named shop")
async def nobody_watches_it(s: Situation) -> Any:
    s.source = "shop"
    return await once(s, MESSAGE % "")


@situation("removed", "sales", "the conversation is gone at the provider")
async def it_is_gone(s: Situation) -> Any:
    s.quiet()
    async with s.harness.running():
        await s.harness.baseline()
        s.harness.world.delete(s.conversation)
        await anyio.sleep(2 * 3600)
        begun = s.harness.clock()
        await anyio.sleep(60)
    return begun


@situation("not-looked", "sales", "the watcher does not run")
async def the_watcher_does_not_run(s: Situation) -> Any:
    await once(s, MESSAGE % "")
    await anyio.sleep(3600)
    begun = s.harness.clock()
    s.harness.world.message(s.conversation, "hello?")
    await anyio.sleep(600)
    return begun


@situation("not-looked", "sales", "nobody looked between")
async def the_watcher_did_not_run(s: Situation) -> Any:
    await once(s, MESSAGE % "")
    await anyio.sleep(3600)
    begun = s.harness.clock()
    await anyio.sleep(600)
    s.asked["until"] = s.harness.clock()
    await anyio.sleep(7200)
    s.harness.world.message(s.conversation, "later")
    async with s.harness.running():
        await anyio.sleep(60)
    return begun


@situation("doubt", "sales", "the last row lacks")
async def a_loss_is_not_believed_yet(s: Situation) -> Any:
    s.quiet()
    async with s.harness.running():
        await s.harness.baseline()
        await s.says("hello", 120)
        begun = s.harness.clock()
        s.harness.world.tear(s.conversation)
        s.harness.world.set_priority(s.conversation, "high")
        await anyio.sleep(45)
    s.type = "conversation.unread"
    return begun


@situation("unchanged", "sales", "nothing that is told has changed in it since")
async def nothing_has_happened(s: Situation) -> Any:
    s.quiet()
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        await anyio.sleep(60)
    return begun


@situation("between-looks", "sales", "must last 20s, any other 30m")
async def it_came_and_went(s: Situation) -> Any:
    s.quiet()
    async with s.harness.running():
        await s.harness.baseline()
        await s.says("hello", 300)
        s.harness.world.read(s.conversation)
        await anyio.sleep(300)
        begun = s.harness.clock()
        s.harness.world.mark_unread(s.conversation)
        s.harness.world.read(s.conversation)
        await anyio.sleep(60)
    return begun


@situation("elsewhere", "sales", "the customer wrote: “hello”")
async def something_else_was_recorded(s: Situation) -> Any:
    s.type = "conversation.assigned"
    return await once(s, MESSAGE % "")


@situation("pruned", "retention", "events are kept for 6h")
async def it_is_no_longer_stored(s: Situation) -> Any:
    s.harness.general = "retention: {events: 6h, deliveries: 6h}\n"
    s.quiet(MESSAGE % "")
    async with s.harness.running():
        await s.harness.baseline()
        begun = s.harness.clock()
        await s.says("hello", 600)
        s.asked["until"] = s.harness.clock()
        await anyio.sleep(30 * 3600)
    return begun


@pytest.mark.parametrize(
    ("kind", "by", "text", "make"), TABLE, ids=[make.__name__ for *_, make in TABLE]
)
async def test_the_first_finding_explains_it(
    kind: str, by: str | None, text: str, make: Make, harness: Harness
) -> None:
    made = Situation(harness)
    first, *rest = await made.ask(await make(made))
    assert (first["kind"], text in first["text"]) == (kind, True), (first, rest)
    if by is not None:
        assert first["by"] == by, first
    # What decided it stands somewhere, if it is a rule or a silence of today's configuration.
    config = load([harness.folder / "watcher.yaml"], environ={})
    names = [one.name for one in (*config.rules, *config.silences)]
    if first["by"] in names:
        assert first["place"].startswith(f"{harness.folder}/watcher.yaml:"), first


APART = {"turn", "repeat", "disk", "results-gone"}
"""Findings that `tests/explain` looks at: what lasts for a moment, what comes behind another, what no
simulated disk and no store of today make.
"""


def test_every_kind_of_finding_is_in_the_table() -> None:
    kinds = {one for each in get_args(FindingKind) for one in get_args(each) or (each,)}
    assert set(get_args(WaitReason)) <= kinds
    assert kinds - APART == {kind for kind, *_ in TABLE}
