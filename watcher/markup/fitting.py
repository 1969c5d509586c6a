"""Fitting: as much of a message as its service takes, and how to say it in plain words.

Rules: pure. Whether a text fits is asked of the service (`fits`): nothing here knows a figure of
any. Values are shortened first, each to the same length, so that an author's markup and the link stay
whole; then lines are left out, and the text says how many; at last what is left of it is plain.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from watcher.markup.escaping import clean, clean_line
from watcher.markup.services import Service, Written, write
from watcher.markup.text import CUT, Format, Part, Text, joined, parts_of, shortened

__all__ = ["Draft", "brief", "fit", "plain"]

Fits = Callable[[Written], bool]

LONGEST_TITLE = 200
FEWEST_OF_A_LINE = 80
"""Characters of each value that a digest shows before it leaves out lines."""

FEWEST_OF_A_VALUE = 200
"""Characters of each value before a message leaves out what is optional, and at last lines."""

MOST_LINES = 50
"""Lines of a digest in a chat."""

SHORTEST_VALUE = 12
SHORTEST_TITLE = 60

BRIEF_TITLE = 100
BRIEF_BODY = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is written for a service."""

    title: Text
    body: Text

    format: Format = "text"
    """What the author's parts are written in."""

    link: str | None = None
    """Where it leads: stays, however little room there is."""

    thread: str | None = None
    """Names the conversation, so that mails about it stand together."""

    digest: bool = False
    """Whether each line stands for itself, so that lines are left out before values get short."""


def brief(draft: Draft, most: int = BRIEF_BODY) -> Draft:
    """Return a message as short plain text without any markup, with its link.

    It is what a service should take that has refused the message itself; `fit` it as well.
    """
    title = shortened(clean_line(plain(draft.title, draft.format)), min(most, BRIEF_TITLE))
    body = clean(plain(draft.body, draft.format)).strip()
    parts = [Part(shortened(body, most), False)]
    if draft.link is not None and len(draft.link) < most:
        body = re.sub(rf"\(?{re.escape(draft.link)}\)?", "", body).strip()
        room = most - len(draft.link) - 1
        text = f"{shortened(body, room)}\n" if body and room >= SHORTEST_VALUE else ""
        parts = [Part(text, False), Part(draft.link, False, "whole")]
    return replace(draft, title=Text([Part(title, False)]), body=Text(parts), format="text")


def fit(draft: Draft, service: Service, fits: Fits, *, longest: int) -> Written:
    """Write a message for a service, as much of it as it takes.

    `fits` says whether the service takes what was written. No value is longer than `longest`
    characters. Where nothing at all fits, the shortest is returned.
    """
    title, body = draft.title.capped(LONGEST_TITLE), draft.body.capped(longest)
    draft = replace(draft, title=title, body=body)

    def written(title: Text, body: Text) -> Written:
        return write(service, title, body, draft.format)

    crowded = not service.letter and _is_crowded(draft)
    whole = written(draft.title, draft.body)
    if not crowded and fits(whole):
        return whole
    title = _title(draft, lambda title: fits(written(title, _LEAST)))
    required = draft.body.required()
    if not draft.digest:
        ladder = [
            (title, draft.body, FEWEST_OF_A_VALUE),
            (title, required, FEWEST_OF_A_LINE),
            (title.capped(SHORTEST_TITLE), required, SHORTEST_VALUE),
        ]
    else:
        ladder = [] if crowded else [(title, draft.body, FEWEST_OF_A_LINE)]
    for shorter, body, fewest in ladder:
        if (found := _capped(shorter, body, fewest, written, fits)) is not None:
            return found
    found = _with_fewer_lines(draft, title, written, fits)
    return found if found is not None else _as_brief(draft, service, fits)


def _is_crowded(draft: Draft) -> bool:
    """Return whether a digest in our own words has more lines than people read in a chat."""
    ours = draft.digest and not any(part.own for part in draft.body.parts)
    return ours and sum(1 for _ in draft.body.lines()) > MOST_LINES


_LEAST = Text([Part(".", False)])


def _title(draft: Draft, fits: Callable[[Text], bool]) -> Text:
    """Return the title, with values as short as they must be for a field of its own."""
    found = _most(
        SHORTEST_VALUE, draft.title.longest(), lambda most: fits(draft.title.capped(most))
    )
    if found is not None:
        return draft.title.capped(found)
    words = clean_line(plain(draft.title, draft.format))
    most = _most(1, len(words), lambda most: fits(Text([Part(shortened(words, most), False)])))
    return Text([Part(shortened(words, most or 1), False)])


def _capped(
    title: Text,
    body: Text,
    fewest: int,
    written: Callable[[Text, Text], Written],
    fits: Fits,
) -> Written | None:
    """Return the message with values of at least `fewest` characters, None where it does not fit."""
    most = _most(fewest, body.longest(), lambda most: fits(written(title, body.capped(most))))
    return None if most is None else written(title, body.capped(most))


def _with_fewer_lines(
    draft: Draft, title: Text, written: Callable[[Text, Text], Written], fits: Fits
) -> Written | None:
    """Return the message with the last lines left out, None where not even one line fits."""
    body = draft.body if draft.digest else draft.body.required()
    lines = list(body.capped(FEWEST_OF_A_LINE if draft.digest else SHORTEST_VALUE).lines())

    def only(count: int) -> Text:
        return _first(lines, count, draft)

    most = min(len(lines) - 1, MOST_LINES) if draft.digest else len(lines) - 1
    count = _most(1, most, lambda count: fits(written(title, only(count))))
    return None if count is None else written(title, only(count))


def _first(lines: list[Text], count: int, draft: Draft) -> Text:
    """Return the first lines, and how many are left out, or where the rest can be read."""
    kept = joined(*lines[:count])
    left_out = sum(1 for line in lines[count:] if line.strip())
    note = f"… and {left_out} more" if draft.digest else CUT
    if draft.link is not None and draft.link not in kept:
        note = f"{note}\n{draft.link}"
    if draft.format == "html" and any(part.own for part in kept.parts):
        note = f"\n{note}"
    closing = Text([Part(_closing(kept, draft.format), True)])
    return joined(kept, closing, Text([Part(note, False, "whole")]))


def _closing(text: Text, format: Format) -> str:  # noqa: A002 - the word of the configuration
    """Return what closes the markup that an author's lines have opened."""
    own = "".join(part.text for part in text.parts if part.own)
    if format == "html":
        opened: list[str] = []
        for close, name, empty in _TAG.findall(own):
            if not close and not empty and name.lower() not in _VOID:
                opened.append(name)
            elif close and name in opened:
                del opened[len(opened) - 1 - opened[::-1].index(name) :]
        return "".join(f"</{name}>" for name in reversed(opened))
    if format == "markdown":
        fence = ""
        for found in _FENCE.findall(own):
            fence = "" if fence and found.startswith(fence) else fence or found
        return f"{fence}\n\n" if fence else "\n"
    return ""


_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)\b[^<>]*?(/?)>")
_VOID = frozenset(("area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"))
_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})", re.MULTILINE)


def _as_brief(draft: Draft, service: Service, fits: Fits) -> Written:
    """Return what fits of the message as plain text: an author's words alone are too long."""

    def written(most: int) -> Written:
        short = brief(draft, most)
        return write(service, short.title, short.body or short.title, short.format)

    most = _most(1, len(draft.body) + LONGEST_TITLE, lambda most: fits(written(most)))
    return written(most or 1)


def _most(fewest: int, most: int, fits: Callable[[int], bool]) -> int | None:
    """Return the largest number that fits, or one a little smaller; None where `fewest` does not."""
    if not fits(fewest):
        return None
    if most <= fewest or fits(most):
        return max(fewest, most)
    while most - fewest > max(1, fewest // 50):
        middle = (fewest + most) // 2
        if fits(middle):
            fewest = middle
        else:
            most = middle
    return fewest


def plain(text: str, format: Format) -> str:  # noqa: A002 - the word of the configuration
    """Return a text without the markup of its author."""
    if format == "text":
        return str(text)
    values: list[str] = []
    pieces: list[str] = []
    for part in parts_of(text):
        if part.own:
            pieces.append(part.text)
        else:
            pieces.append(f"\x02{len(values)}\x03")
            values.append(part.text)
    bare = "".join(pieces)
    if format == "html":
        bare = html.unescape(
            _ANY_TAG.sub(lambda tag: "\n" if _BLOCK.match(tag.group()) else "", bare)
        )
    else:
        bare = _SIGNS.sub("", _LINK.sub(r"\1 (\2)", bare))
    return re.sub("\x02([0-9]+)\x03", lambda found: values[int(found.group(1))], bare)


_ANY_TAG = re.compile(r"<[A-Za-z/!][^<>]*>")
_BLOCK = re.compile(r"<(?:br|/p|/div|/li|/h[1-6]|/tr)\b", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]]*)\]\(<?([^()<>]*)>?\)")
_SIGNS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)|~~|^[ ]{0,3}(?:#{1,6}[ ]+|>[ ]?)", re.MULTILINE)
