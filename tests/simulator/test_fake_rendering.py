"""Answers that are not one instant, deletions in steps, and changes that become visible late: all fakes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from tests.simulator.harness import KINDS, ask
from tests.simulator.test_steering import do, opened
from tests.support.virtual_time import JumpLoop, VirtualClock
from watcher.simulator import World, chatwoot, leadconnector, leadping
from watcher.simulator.state import Kind

APPS: dict[str, tuple[Any, Any]] = {
    "chatwoot": (chatwoot.app, chatwoot.Options),
    "highlevel": (leadconnector.app, leadconnector.Options),
    "leadping": (leadping.app, leadping.Options),
}
FULL, READ, TORN = ("Hi", True), ("Hi", False), (None, False)
"""What a row shows: the last message's words, and whether it is unread."""


@pytest.fixture
def anyio_backend() -> Any:
    """Run on the loop that jumps over waiting."""
    return "asyncio", {"loop_factory": JumpLoop}


class Fake:
    """One fake with two conversations; the newest is `last`."""

    def __init__(self, kind: Kind, **options: Any) -> None:
        build, wanted = APPS[kind]
        self.kind = kind
        self.world = World(VirtualClock(), 1)
        self.account = self.world.open_account(kind, "3")
        self.last = self.world.create(self.account, "Hi")
        self.app = build(self.world, wanted(**options))

    async def ask(self, path: str = "", **more: Any) -> Any:
        token = self.account.token
        headers = {
            "Authorization": f"Bearer {token}",
            "Api-Access-Token": token,
            "Version": "2021-07-28",
        }
        method, where = {
            "chatwoot": ("GET", "/api/v1/accounts/3/conversations"),
            "highlevel": ("GET", "/conversations/search?locationId=3"),
            "leadping": ("POST", "/conversations/my"),
        }[self.kind]
        if path:
            method, where = "GET", path
        more = {"json": {}} if method == "POST" else {}
        return await ask(self.app, method, where, headers=headers, **more)

    async def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the list."""
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        whole = answer.json()
        found: list[dict[str, Any]] = (
            whole.get("items") or whole.get("conversations") or whole.get("data", {}).get("payload")
        ) or []
        return found

    async def shown(self) -> list[tuple[str | None, bool]]:
        """Return what each row shows of its last message, and whether it is unread."""
        return [self._shown(row) for row in await self.rows()]

    def _shown(self, row: dict[str, Any]) -> tuple[str | None, bool]:
        if self.kind == "highlevel":
            return row["lastMessageBody"] or None, row["unreadCount"] > 0
        if self.kind == "leadping":
            return row["lastSnippet"], row["isUnread"]
        line = row["last_non_activity_message"]
        assert [one["id"] for one in row["messages"]] == ([line["id"]] if line else [])
        return line and line["content"], row["unread_count"] > 0

    async def looked_up(self) -> int:
        """Return the status of a look-up of the last conversation."""
        path = {
            "chatwoot": f"/api/v1/accounts/3/conversations/{self.last.id}",
            "highlevel": f"/conversations/{self.last.id}",
            "leadping": f"/leads/{self.last.state.contact.id}",
        }[self.kind]
        status: int = (await self.ask(path)).status_code
        return status


@pytest.mark.parametrize("contact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_deletion_goes_in_steps_and_the_truth_knows_the_last(
    kind: Kind, contact: bool
) -> None:
    fake = Fake(kind)
    world = fake.world
    other = world.create(fake.account, "Hi", contact=fake.last.state.contact if contact else None)
    world.truth.entries.clear()
    together = contact or kind == "leadping"
    assert not world.delete_step(fake.last, with_contact=contact)
    assert sorted(await fake.shown(), key=repr) == [FULL, TORN] if not contact else [TORN, TORN]
    assert await fake.looked_up() == 200
    assert not world.delete_step(fake.last, with_contact=contact)
    assert ((await fake.ask()).status_code, await fake.looked_up()) == (500, 500)
    assert not world.truth.entries
    assert world.delete_step(fake.last, with_contact=contact)
    assert (len(await fake.rows()), await fake.looked_up()) == (0 if contact else 1, 404)
    removed = ["conversation.removed"] * (2 if contact and together else 1)
    assert [entry.type for entry in world.truth] == removed
    assert (other.state.gone_at is not None) == contact


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_may_lack_a_part_for_a_moment(kind: Kind) -> None:
    fake = Fake(kind)
    await anyio.sleep(5)
    fake.world.answer(fake.last, "Hello")
    await anyio.sleep(5)
    fake.world.message(fake.last, "Bye")
    fake.world.truth.entries.clear()
    fake.world.tear(fake.last, ("newest",))
    assert [text for text, _ in await fake.shown()] == ["Hello"]
    fake.world.tear(fake.last, ("messages",))
    assert await fake.shown() == [TORN]
    fake.world.tear(fake.last, ("contact",))
    (row,) = await fake.rows()
    contact = row["meta"]["sender"] if kind == "chatwoot" else row
    names = {"chatwoot": "name", "highlevel": "contactName", "leadping": "firstName"}
    assert contact[names[kind]] is None
    fake.world.mend(fake.last)
    assert await fake.shown() == [("Bye", True)]
    assert not fake.world.truth.entries


async def test_who_does_not_read_the_newest_message_reads_no_line_after_it() -> None:
    fake = Fake("leadping")
    ((_, before),) = [(row["lastSnippet"], row["lastEventAt"]) for row in await fake.rows()]
    await anyio.sleep(5)
    fake.world.message(fake.last, "Bye")
    await anyio.sleep(5)
    fake.world.activity(fake.last)
    fake.world.tear(fake.last, ("newest",))
    assert [row["lastEventAt"] for row in await fake.rows()] == [before]


@pytest.mark.parametrize("second", ["greeting", "person", "phone"])
async def test_who_does_not_read_the_newest_message_does_not_read_who_wrote_it(second: Any) -> None:
    fake = Fake("highlevel")
    keys = ("lastMessageBody", "lastOutboundMessageAction", "lastManualMessageDate")
    first = "person" if second == "greeting" else "greeting"
    for sender, text in ((first, "Hello"), (second, "Bye")):
        await anyio.sleep(5)
        before = [{key: row.get(key) for key in keys} for row in await fake.rows()]
        fake.world.answer(fake.last, text, by=sender)
        fake.world.tear(fake.last, ("newest",))
        assert [{key: row.get(key) for key in keys} for row in await fake.rows()] == before
        fake.world.mend(fake.last)


CHANGES: dict[str, tuple[float, Any, tuple[str | None, bool]]] = {
    "a reading before its counts are read": (0.25, World.read, READ),
    "a reading after its counts were read": (0.75, World.read, FULL),
    "a deletion before": (0.25, World.delete, TORN),
    "a deletion between counts and messages": (0.75, World.delete, (None, True)),
    "a deletion after": (1.1, World.delete, FULL),
    "a deletion of the contact": (0.25, World.delete_contact, TORN),
}
"""What happens while an answer of one row is rendered, which takes a second; and what the row shows."""


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_row_is_filled_in_part_by_part_after_it_was_chosen(kind: Kind, what: str) -> None:
    after, change, expected = CHANGES[what]
    fake = Fake(kind, rendering=1.0)
    shown: list[Any] = []

    async def look() -> None:
        shown.extend(await fake.shown())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await anyio.sleep(after)
        change(fake.world, fake.last)
    if kind == "chatwoot" and what == "a reading before its counts are read":
        expected = FULL  # it counts from when the row says that it was seen
    assert shown == [expected]


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_of_one_page_are_of_different_times(kind: Kind) -> None:
    fake = Fake(kind, rendering=1.0)
    for _ in range(9):
        await anyio.sleep(1)
        fake.world.create(fake.account, "Hi")
    shown: list[Any] = []

    async def look() -> None:
        shown.extend(await fake.shown())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await anyio.sleep(0.8)
        for conversation in fake.account.living():
            fake.world.delete(conversation)
    assert shown == [FULL] * 5 + [(None, True)] + [TORN] * 4


@pytest.mark.parametrize("kind", KINDS)
async def test_a_change_becomes_visible_after_its_stamp(kind: Kind) -> None:
    fake = Fake(kind, commit_lag=5.0)
    await anyio.sleep(10)
    seen: set[float] = set()
    for number in range(20):
        fake.world.message(fake.last, str(number))
        late = 0.0
        while (await fake.shown())[0][0] != str(number):
            await anyio.sleep(0.25)
            late += 0.25
        seen.add(late)
        await anyio.sleep(10)
    assert max(seen) <= 5.25
    assert len(seen) > 5


async def test_tearing_and_deleting_in_steps_are_actions() -> None:
    steered = opened(
        "chatwoot", "--conversations", "2", "--rendering", "10ms", "--commit-lag", "0s"
    )
    assert await do(steered, "tear", conversation="1", parts=["contact"]) == {
        "said": "",
        "truth": [],
    }
    assert (await do(steered, "mend", conversation="1"))["truth"] == []
    assert (await do(steered, "delete_step", conversation="1"))["truth"] == []
    assert (await do(steered, "delete_step", conversation="1", with_contact=True))["truth"] == []
    last = await do(steered, "delete_step", conversation="1")
    assert [entry["type"] for entry in last["truth"]] == ["conversation.removed"]
