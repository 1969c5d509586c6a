"""What the parts of a status mean: a word for the state, why, and what keeps all from being well.

Rules: pure; the plain status of `control.Control.status` in, words out. A state is one or two words, so
that it never needs to be cut; what explains it stands apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from watcher.explain.values import format_age
from watcher.standing import standings

__all__ = [
    "over_budget",
    "receiver_health",
    "source_health",
    "troubles",
    "unread_troubles",
    "unwell",
]

Format = Callable[[str], str]
"""Returns a time of the status as it is shown."""


def source_health(source: Mapping[str, Any], time: Format, *, running: bool) -> tuple[str, str]:
    """Return a source's state, and why; what needs action comes first."""
    states = standings(
        failing=source["failing"] is not None,
        held=source["hold"] is not None,
        baselined=source["baselined"] is not None,
        stale=running and source["stale"],
        looked=source["last_look"] is not None,
    )
    why = [_trouble(source[one], time) for one in ("failing", "hold") if source[one]]
    if source["baselined"] is None and (sweeping := source["sweeping"]):
        total = f" of {sweeping['of']}" if sweeping["of"] is not None else ""
        why.append(f"reading: {sweeping['seen']}{total}")
    if source["plan"] and not source["plan"]["fits"]:
        why.append("needs more requests than its provider allows (see `inbox-watcher check`)")
    if not running:
        # What was so when the daemon ended says nothing about now.
        why = why if states == ["ok"] else [f"at last {'; '.join(states)}", *why]
        return "not watched", "; ".join(why)
    return states[0], "; ".join([*states[1:], *why])


def receiver_health(receiver: Mapping[str, Any], time: Format, *, running: bool) -> tuple[str, str]:
    """Return a receiver's state, and why."""
    states, why = [], []
    if receiver["off"]:
        states.append("off")
        turn_on = f"inbox-watcher send-test {receiver['receiver']}"
        why.append(f"{receiver['off']} (`{turn_on}` turns it on again if it works)")
    if receiver["failing"]:
        states.append("failing")
        why.append(_trouble(receiver["failing"], time))
    if receiver["paused_until"]:
        states.append("paused")
        why.append(f"until {time(receiver['paused_until'])}, then probed")
    return (states[0] if states else "ok" if running else "not served"), "; ".join(why)


def troubles(state: Mapping[str, Any], time: Format) -> Iterator[str]:
    """Yield what is wrong with the whole, one line each."""
    if failing := state["store_failing"]:
        what = "the store is gone" if failing["lost"] else "everything waits for the store"
        yield f"{what} {_trouble(failing, time)}"
    for one in state["stuck"]:
        yield (
            f"stuck: {one['what']} has not moved for {format_age(one['seconds'])} (restart the daemon,"
            f" and report {one['where']})"
        )
    if state["disk"]:
        yield f"the disk is nearly full {_trouble(state['disk'], time)}"
    if state["network_failing"]:
        yield "no source can be reached: this machine's network is down"
    if state["daemon"] and (refused := state["daemon"]["refused"]):
        yield f"the configuration is refused {_trouble(refused, time)}; the old one is in force"


def over_budget(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each rule whose conditions and templates were ended by their budget, those with the
    most first.
    """
    lines = []
    for one in sorted(rules, key=lambda one: -(one["condition"] + one["template"])):
        counts = (
            f"{one[what]:,} {what}{'' if one[what] == 1 else 's'}"
            for what in ("condition", "template")
            if one[what]
        )
        lines.append(
            f"over budget since the start: {' and '.join(counts)} of the rule `{one['rule']}`"
            " (`inbox-watcher check` says where)"
        )
    return lines


def unwell(state: Mapping[str, Any], time: Format, *, running: bool) -> Iterator[str]:
    """Yield what keeps all from being well, one line each; `state` is what `status` shows.

    Deliveries that died more than a day ago are shown, but count no more.
    """
    if not running:
        yield "no daemon is running"
        return
    yield from troubles(state, time)
    for kind, parts, health in (
        ("source", state["sources"], source_health),
        ("receiver", state["receivers"], receiver_health),
    ):
        for part in parts:
            word, why = health(part, time, running=True)
            if word != "ok":
                verb = "has" if word.startswith("no ") else "is"
                yield f"{kind} {part[kind]} {verb} {word}{f': {why}' if why else ''}"
    for part in state["receivers"]:
        if part["died"]:
            yield (
                f"{_deliveries(part['died'])} to {part['receiver']} died within a day"
                " (`inbox-watcher deliveries --state dead`)"
            )


def unread_troubles(state: Mapping[str, Any], *, running: bool) -> int:
    """Return how many sources that are not well `state` counts without showing them."""
    if not running:
        return 0  # that no daemon runs is all there is to say
    counts: Mapping[str, int] = state["standing"]
    shown = sum(1 for one in state["sources"] if source_health(one, str, running=True)[0] != "ok")
    return sum(counts.values()) - counts.get("ok", 0) - shown


def _deliveries(count: int) -> str:
    return "1 delivery" if count == 1 else f"{count} deliveries"


def _trouble(trouble: Mapping[str, Any], time: Format) -> str:
    remedy = f" ({trouble['remedy']})" if trouble["remedy"] else ""
    return f"since {time(trouble['since'])}: {trouble['reason']}{remedy}"
