"""`conversations`: what is known now, and one conversation in full or as the provider shows it.

Rules: lists read the store; only `--raw` asks a provider: through the daemon, which has the secrets,
else with those of the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import anyio
import typer

from watcher.cli.commands import ListGroup, StoreCommand
from watcher.cli.completion import complete_conversations, complete_sources
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import (
    NoDaemon,
    call_daemon,
    load_valid,
    look,
    reading,
    source_names,
)
from watcher.cli.filters import Filters, FromSource
from watcher.cli.ids import only_one
from watcher.cli.options import AsJson, choose
from watcher.cli.paging import EVENTS, in_pages
from watcher.cli.tables import Cell, Column, state_style
from watcher.clock import wall_clock
from watcher.config.outline import Outline
from watcher.daemon.raw_rows import find_raw_row
from watcher.explain.conversations import plain_conversation, state_of
from watcher.explain.values import format_age
from watcher.model import Snapshot, to_plain
from watcher.records import Acknowledgement, ConversationQuery, SourceState
from watcher.store.address import StoreAddress
from watcher.transport import Transport, prepare_loop

__all__ = ["register"]

NO_SKEW = timedelta(0)
SHOWN = 8
"""Ids that are compared with a beginning."""

COLUMNS = (
    Column("id"),
    Column("source", shed=1),
    Column("state"),
    Column("waiting"),
    Column("assignee", shortest=10, shed=3),
    Column("channel", shed=4),
    Column("contact", shortest=12, shed=2),
    Column("last message", shortest=20, below=True),
)


def register(app: typer.Typer) -> None:
    """Add the command and its sub-command."""
    group = typer.Typer(
        cls=ListGroup,
        help="List what is known now (without a verb, too), show one conversation.",
        epilog="Example: inbox-watcher conversations --waiting",
    )
    group.command(
        "list",
        cls=StoreCommand,
        epilog="Examples: inbox-watcher conversations --waiting --source support\n"
        "          inbox-watcher conversations list --unread --json",
    )(list_)
    group.command(
        "show",
        cls=StoreCommand,
        epilog="Example: inbox-watcher conversations show support 4711 --raw",
    )(show)
    app.add_typer(group, name="conversations")


def list_(
    ctx: typer.Context,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those in which a customer waits for a person.")
    ] = False,
    unread: Annotated[bool, typer.Option("--unread", help="Only unread ones.")] = False,
    source: FromSource = None,
    assignee: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only those of this person (name or id); '': of nobody."),
    ] = None,
    archived: Annotated[
        bool,
        typer.Option("--archived", help="Only archived ones; without this they are left out."),
    ] = False,
    as_json: AsJson = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="N", help="Print at most N, the first.")
    ] = 100,
) -> None:
    """List what is known now: who waits longest first, then the others by source and id."""
    console: Console = ctx.obj
    query = ConversationQuery(
        sources=tuple(source or ()),
        waiting=waiting,
        unread=unread,
        archived=archived,
        assignee=assignee,
        limit=limit + 1,
    )
    anyio.run(_list, console, look(console), query, as_json)


async def _list(console: Console, known: Outline, query: ConversationQuery, as_json: bool) -> None:
    """Print the conversations some at a time, all but the last one, which shows that there are more."""
    limit, shown, now = query.limit - 1, 0, wall_clock()
    async with reading(known.store) as store:
        # Knows which sources there are.
        await Filters(sources=list(query.sources) or None).events(store, known, console.zone)
        # How far the providers' clocks are ahead, as far as known.
        skews = {one.name: one.skew for one in await store.sources() if one.skew is not None}
        ahead = {name: timedelta(seconds=skew.seconds) for name, skew in skews.items()}
        every = await store.acknowledgements()
        taken = {(one.source, one.conversation): one for one in every}
        async for page in in_pages(store.each_conversation(query), EVENTS):
            some = page[: limit - shown]
            if as_json:
                for name, snapshot in some:
                    console.json(
                        plain_conversation(
                            name, snapshot, taken.get((name, snapshot.conversation.id))
                        )
                    )
            elif some:
                rows = [_row(name, one, now + ahead.get(name, NO_SKEW)) for name, one in some]
                console.table(COLUMNS, rows, head=not shown)
            shown += len(page)
    if not shown and not as_json:
        console.note("no conversations")
    if shown > limit:
        console.note(f"there are more than {limit}; --limit shows more")


def _row(source: str, snapshot: Snapshot, now: datetime) -> tuple[str | Cell, ...]:
    """Return a row of the table; `now` is by the provider's clock, as its times are."""
    conversation = snapshot.conversation
    since, owner, contact = conversation.waiting_since, conversation.assignee, conversation.contact
    state = state_of(snapshot)
    last = conversation.last_message
    named = (contact.name, contact.email, contact.phone) if contact is not None else ()
    return (
        conversation.id,
        source,
        Cell(state, state_style(state)),
        format_age((now - since).total_seconds()) if since is not None else "",
        (owner.name or owner.id) if owner is not None else "",
        conversation.channel or "",
        next((name for name in named if name), ""),
        (last.text or "") if last is not None else "",
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of one conversation, and of its source."""

    snapshot: Snapshot
    state: SourceState | None
    taken: Acknowledgement | None


def show(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            autocompletion=complete_sources,
            help="The name of the source.",
        ),
    ],
    id_: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            show_default=False,
            autocompletion=complete_conversations,
            help="Of the conversation; the beginning is enough.",
        ),
    ],
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Ask the provider, and print its own row: what `fields:` can read."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of one conversation, field by field."""
    console: Console = ctx.obj
    known = look(console)
    choose("source", source, anyio.run(source_names, known))
    found = anyio.run(_known, known.store, source, id_)
    if raw:
        answer = anyio.run(_raw, console, known.store, source, found)
        if answer is None:
            raise NotOne(
                f"{source} does not show a row of {found.snapshot.conversation.id}",
                "it may be gone, or too far down the list; try one that has changed lately",
            )
        if as_json:
            console.json(answer["row"])
        else:
            console.write(json.dumps(answer["row"], indent=2, ensure_ascii=False))
        if not answer["listed"]:
            console.note(
                "this row is from a look-up; rows of the list may have other keys", "yellow"
            )
    elif as_json:
        console.json(plain_conversation(source, found.snapshot, found.taken))
    else:
        _print(console, source, found.snapshot)


async def _known(address: StoreAddress, source: str, text: str) -> Known:
    """Return the conversation of a source that is meant; raise NotOne."""
    async with reading(address) as store:
        ids = await store.ids("conversation", text, SHOWN + 1)
        found = await store.known(source, {text, *ids})
        remedy = f"`inbox-watcher conversations --source {source}` lists those that are known"
        id_ = only_one("conversation", text, sorted(found), remedy)
        every = await store.acknowledgements()
        taken = next(
            (one for one in every if (one.source, one.conversation) == (source, id_)), None
        )
        return Known(found[id_], await store.source(source), taken)


async def _raw(
    console: Console, address: StoreAddress, source: str, known: Known
) -> Mapping[str, Any] | None:
    id_ = known.snapshot.conversation.id
    try:
        return await call_daemon(address, lambda control: control.raw_row(source, id_))
    except NoDaemon:
        configured = load_valid(console, secrets=True)
    one = next((each for each in configured.sources if each.name == source), None)
    if one is None:
        raise NotOne(f"the source {source} is no longer configured", "nobody can be asked for it")
    prepare_loop()
    async with Transport(wall_clock, addresses=configured.network.addresses) as transport:
        return await find_raw_row(one, transport, known.snapshot, known.state)


def _print(console: Console, source: str, snapshot: Snapshot) -> None:
    conversation = snapshot.conversation
    console.write(f"{source}  {conversation.id}  {state_of(snapshot)}", "bold")
    console.write(f"  as seen at {console.time(snapshot.observed)}")
    for path, value in _leaves(to_plain(conversation)):
        console.write(f"  {path}: {value}")


def _leaves(plain: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is not null, by its path; times stay as events and conditions have them."""
    for name, value in plain.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        elif value is not None and value != []:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"{before}{name}", " ".join(text.split())
