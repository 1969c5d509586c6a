"""How answers of the API become HTML: the environment of the templates, and what they may call.

Rules: everything is escaped; a name that is not there is a mistake, not an empty text. Times come as RFC 3339
texts and are shown in the configured zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from watcher.explain.changes import what_changed
from watcher.explain.values import format_age, format_who, short
from watcher.model import Event
from watcher.pages.page import Visit
from watcher.pages.statics import assets
from watcher.settings.calendar import format_moment
from watcher.wording import person

__all__ = ["render"]

FOLDER = Path(__file__).parent / "templates"

MARKS: Mapping[str, tuple[str, str]] = {
    "ok": ("●", "good"), "delivered": ("●", "good"), "told": ("●", "good"), "yes": ("●", "good"),
    "due": ("◔", "plain"), "pending": ("◔", "plain"), "waiting": ("◔", "plain"), "starting": ("○", "plain"),
    "no baseline": ("○", "plain"), "cancelled": ("–", "plain"), "no": ("–", "plain"), "over": ("○", "plain"),
    "held": ("◆", "warn"), "stale": ("◆", "warn"), "paused": ("◆", "warn"), "over limit": ("◆", "warn"),
    "off": ("■", "bad"), "failing": ("▲", "bad"), "dead": ("▲", "bad"),
}  # fmt: skip
"""The shape and the colour of each state; its word stands beside them."""


def render(template: str, visit: Visit, given: Mapping[str, Any]) -> str:
    """Return a page."""
    made = environment().get_template(template)
    return made.render(visit=visit, now=visit.now, **given)


@cache
def environment() -> Environment:
    """Return the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        age,
        brief,
        brief_type,
        clock,
        moment,
        number,
        part,
        person,
        sentence,
        short,
        ticks,
        who,
    )
    made.filters.update({one.__name__: one for one in filters})
    made.globals.update(assets=assets(), marks=MARKS, address=address)
    return made


def part(text: object) -> str:
    """Return a text as a part of a path, whatever it contains."""
    return quote(str(text), safe="")


def address(path: str, **query: Any) -> str:
    """Return an address with the parameters that are given (None and empty ones are not)."""
    kept = {name: value for name, value in query.items() if value not in (None, "", (), [])}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


def number(value: float) -> str:
    """Return a number with separators between thousands."""
    return f"{value:,}"


def _time(at: str | datetime) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def age(at: str | datetime, now: datetime) -> str:
    """Return how long ago something was, or how long it is until then."""
    return format_age(abs((now - _time(at)).total_seconds()))


def moment(at: str | datetime, visit: Visit) -> str:
    """Return a whole time in the configured zone."""
    return format_moment(_time(at), visit.zone)


def clock(at: str | datetime, visit: Visit) -> str:
    """Return a time as short as it can be understood today: `10:02:05`, `Nov 12 10:02`, `2025-11-12`."""
    local, today = _time(at).astimezone(visit.zone), visit.now.astimezone(visit.zone)
    if local.date() == today.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%b %-d %H:%M" if local.year == today.year else "%Y-%m-%d")


def ticks(text: object) -> Markup:
    """Return a text whose parts between backticks are code, as messages of the program have them."""
    parts = str(text).split("`")
    if len(parts) % 2 == 0:
        return escape(str(text))
    made = [
        Markup("<code>{}</code>").format(one) if place % 2 else escape(one)
        for place, one in enumerate(parts)
    ]
    return Markup("").join(made)


def sentence(event: Mapping[str, Any], visit: Visit) -> str:
    """Return what an event tells, in one sentence."""
    return what_changed(_event(event), visit.zone)


def who(event: Mapping[str, Any]) -> str:
    """Return who an event is about."""
    return format_who(_event(event))


def brief_type(name: str) -> str:
    """Return a type of event as people read it: `conversation.status_changed` is "status changed"."""
    kind, _, rest = name.partition(".")
    words = rest if kind in ("conversation", "source") else name
    return words.replace("_", " ").replace(".", " ")


def _event(plain: Mapping[str, Any]) -> Event:
    source = plain["data"].get("source", "")
    at = datetime.fromisoformat(plain["time"])
    return Event(plain["id"], plain["type"], source, plain.get("subject"), at, plain["data"])


def brief(text: object, most: int = 160) -> str:
    """Return the beginning of a long text."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
