"""What must hold after each blow and at the end, read from the files and the wire alone.

Rules: judges, changes nothing; the store is examined in a copy, so that nobody but the program ever
recovers the original.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from watcher.clock import wall_clock
from watcher.demo.receiver import Arrival as Reported
from watcher.demo.scorecard import Change, score

from .harness import Harness, Watched, is_refused

__all__ = ["count", "examine", "judge", "judge_log", "pending"]


def examine(folder: Path) -> str:
    """Check the files that a dead process left: an empty text, or what is wrong with them."""
    store = folder / "watcher.db"
    if not store.exists():
        return ""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for suffix in ("", "-wal"):
        part = store.with_name(store.name + suffix)
        if part.exists():
            shutil.copy(part, copy / part.name)
    connection = sqlite3.connect(copy / store.name)
    try:
        wrong = [row for (row,) in connection.execute("PRAGMA integrity_check") if row != "ok"]
        wrong += [f"foreign key {row}" for row in connection.execute("PRAGMA foreign_key_check")]
    except sqlite3.DatabaseError as error:
        wrong = [str(error)]
    finally:
        connection.close()
    return "; ".join(wrong[:5])


def _read(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    """Read beside the program, or without it."""
    connection = sqlite3.connect(f"{(folder / 'watcher.db').as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(statement).fetchall()
    finally:
        connection.close()


def count(folder: Path, table: str) -> int:
    """Count the rows of a table, or of a part of it."""
    ((rows,),) = _read(folder, f"SELECT count(*) FROM {table}")  # noqa: S608 - a constant
    return int(rows)


def pending(folder: Path) -> int:
    """Count the deliveries that are not settled."""
    ((rows,),) = _read(folder, "SELECT count(*) FROM deliveries WHERE state = 'pending'")
    return int(rows)


def judge(harness: Harness) -> list[str]:
    """Compare the log, the outbox and what arrived with what happened; gives what is wrong."""
    log = _read(harness.folder, "SELECT seq, id, body FROM events ORDER BY seq")
    outbox = _read(harness.folder, "SELECT event, id, receiver, state, timer FROM deliveries")
    return [
        *judge_log(harness, [json.loads(body) for _, _, body in log]),
        *_judge_outbox([id_ for _, id_, _ in log], outbox),
        *_judge_deaths([json.loads(body) for _, _, body in log], outbox),
        *_judge_arrivals(harness, {id_: seq for seq, id_, _ in log}, outbox),
    ]


def judge_log(harness: Watched, events: list[dict[str, Any]]) -> list[str]:
    """Compare the log with what happened in the inboxes."""
    changes = [Change(harness.source_of(one), one) for one in harness.world.truth.entries]
    found = score(changes, [Reported(wall_clock(), event) for event in events], wall_clock())
    wrong = [
        f"lost: {change.source} {change.entry.type} {change.entry.conversation}"
        for change in (*found.missed, *found.under_way)
    ]
    wrong += [
        f"invented: {one.event['type']} {one.event.get('subject')} {one.event['data']['changes']}"
        for one in found.invented
    ]
    baselines = Counter(e["data"]["source"] for e in events if e["type"] == "source.baselined")
    wrong += [
        f"{baselines[name]} baselines of {name}" for name in harness.sources if baselines[name] != 1
    ]
    believed: dict[tuple[str, str, str], Any] = {}
    for event in events:
        for name, sides in event["data"].get("changes", {}).items():
            about = event["source"], event["subject"], name
            if name != "attributes" and about in believed and believed[about] != sides["before"]:
                wrong.append(f"before is not the previous after: {about} in {event['id']}")
            believed[about] = sides["after"]
    return wrong


def _judge_outbox(log: list[str], outbox: list[tuple[Any, ...]]) -> list[str]:
    wrong = []
    settled = {(event, receiver) for event, _, receiver, state, _ in outbox if state == "delivered"}
    for event, _, receiver, state, timer in outbox:
        if receiver == "picky" and is_refused(event):
            wrong += [f"{state}: {event}, which is refused for ever"] if state != "dead" else []
        elif state not in (("delivered", "cancelled") if timer else ("delivered",)):
            wrong.append(f"{state}: {event} to {receiver}")
    wrong += [f"no delivery of {id_} to audit" for id_ in log if (id_, "audit") not in settled]
    return wrong


def _judge_deaths(events: list[dict[str, Any]], outbox: list[tuple[Any, ...]]) -> list[str]:
    """Each message that was given up is told once, whenever the program was killed."""
    dead = Counter((event, receiver) for event, _, receiver, state, _ in outbox if state == "dead")
    told = Counter(
        (one["data"]["event"]["id"], one["data"]["receiver"])
        for one in events
        if one["type"] == "delivery.dead"
    )
    return [f"told {told[one]} times that {one} is dead" for one in dead | told if told[one] != 1]


def _judge_arrivals(
    harness: Harness, seqs: dict[str, int], outbox: list[tuple[Any, ...]]
) -> list[str]:
    wrong = []
    bodies: dict[tuple[str, str], bytes] = {}
    last: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    timers = {id_ for _, id_, _, _, timer in outbox if timer}
    for one in harness.ledger.arrivals:
        key = one.receiver, one.id
        if key in bodies:
            if bodies[key] != one.digest:
                wrong.append(f"a repeat of {one.id} has another body")
            continue
        bodies[key] = one.digest
        if one.id in timers:
            continue
        if one.id not in seqs:
            wrong.append(f"{one.id} arrived and is not in the log")
            continue
        about = one.receiver, one.event["source"], one.event.get("subject", "")
        if seqs[one.id] < last[about]:
            wrong.append(f"out of order: {one.id} to {one.receiver}")
        last[about] = seqs[one.id]
    for _, id_, receiver, state, _ in outbox:
        if state == "delivered" and (receiver, id_) not in bodies:
            wrong.append(f"{id_} counts as delivered to {receiver} and never came")
    if harness.ledger.forged:
        wrong.append(f"{harness.ledger.forged} signatures were wrong")
    return wrong
