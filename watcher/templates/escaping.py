"""Escaping: what a stranger's text must look like so that a service shows it and does nothing else.

Law: pure, and total. Each function takes cleaned text and gives text in which a reader of that
markup finds no mention, no markup and no link but a bare address, which shows where it leads.
"""

from __future__ import annotations

import html
import re

__all__ = [
    "GAP",
    "as_html",
    "as_html_to_convert",
    "as_markdown",
    "as_plain_words",
    "as_words_in_markdown",
    "guarded",
]

GAP = "\u200b"
"""Zero width space: stands between the sign of a mention and its name. Discord recommends it, and
nothing that Apprise converts takes it out, as it would a backslash.
"""

_ALL = "everyone|here|all|channel|room|group|online|team|users|user"
_MENTION = re.compile(
    rf"""
      [@\uff20\ufe6b] (?= (?:{_ALL})\b )             # a mention even within a word, at Discord
    | (?<! \w ) [@\uff20\ufe6b] (?= [\w&!*"'#] | \Z )  # @name, @**all**; at the end: a name may follow
    | < (?= [!@#&:/\w] | \Z )                        # <!here>, <@U1>, <users/all>, <at>, <url|label>
    | \[ (?= ~ | CQ: ) | \( (?= (?:met|rol|chn) \) ) # Jira, QQ, KOOK
    """,
    re.VERBOSE | re.IGNORECASE,
)
_WORD_FIRST = re.compile(rf"(?:{_ALL})\b", re.IGNORECASE)
_BEFORE_A_NAME = re.compile(r"[@!&*_/<\uff20\ufe6b]\Z")

_URL = re.compile(r"https?://[A-Za-z0-9./?=%#:+,;@&!_~*-]+", re.IGNORECASE)
_IN_URL = re.compile(r"[_~*!]|&(?=#?\w+;)")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_INDENT = re.compile(r"^(?:[ ]{2,}|[ ]*\t[ \t]*)", re.MULTILINE)
_MARKUP = re.compile(
    r"""
      [\\`*_~|\[\]<#] | !(?=\[|\Z) | \$(?=[^$]*\$)
    | ^[ ]?(?:[-+=:>.)] | [0-9]{1,9}[.)])  # lists, headings and quotes, at the start of a line
    """,
    re.VERBOSE | re.MULTILINE,
)
_ALIKE = {"*": "\u2217", "_": "\uff3f", "~": "\u223c", "`": "\u02cb", "\\": "\u2216"}
_FORMATTING = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])|[`\\]")
_QUOTE = re.compile(r"^([ \t]*)>", re.MULTILINE)
_STRUCTURE = re.compile(
    r"(?<=[\])!])(?=[(\[:]|\Z)|^(?=[ ]{0,3}(?:[-+=#]|[0-9]{1,9}[.)]))|\Z(?<=[\]!])", re.MULTILINE
)


def guarded(text: str, before: str = "") -> str:
    """Part the signs of mentions from what they name, where a service may read them so.

    `before` is the author's text in front: a value that follows `@` is a name too.
    """
    text = _MENTION.sub(lambda found: found.group() + GAP, text)
    return GAP + text if _BEFORE_A_NAME.search(before) and _WORD_FIRST.match(text) else text


def as_html(text: str) -> str:
    """Write text for HTML, also for attributes in quotes; line breaks stay."""
    return html.escape(text, quote=True).replace("\n", "<br />\n")


def as_html_to_convert(text: str) -> str:
    """Write text for HTML of which Apprise makes Markdown: it escapes signs within lines, but not
    those that begin a list, and it breaks addresses.
    """
    return as_html(_STRUCTURE.sub(GAP, _URL.sub(lambda found: _percent(found.group()), text)))


def as_markdown(text: str) -> str:
    """Write text for CommonMark and what descends from it (Discord, Mattermost, Zulip, Teams).

    In bare addresses, which a backslash would break, signs of markup are written as `%5F` and so
    on, which leads to the same place.
    """
    text = _INDENT.sub(lambda found: "\u00a0" * len(found.group().expandtabs(4)), text)
    written: list[str] = []
    at = 0
    for url in _URL.finditer(text):
        written += [_backslashed(text, at, url.start()), _percent(url.group())]
        at = url.end()
    return "".join((*written, _backslashed(text, at, len(text))))


def as_plain_words(text: str) -> str:
    """Write text for markup that knows no escape (Slack, Google Chat, WhatsApp): its signs are
    replaced by others that look alike, where they could begin or end something.

    `&`, `<` and `>` stay: Apprise writes them as each of these services asks for.
    """
    return _QUOTE.sub("\\1\u203a", _around_urls(text, _FORMATTING))


def as_words_in_markdown(text: str) -> str:
    """Write the same for a value within an author's CommonMark, from which Apprise makes such
    markup.
    """
    text = _QUOTE.sub("\\1\u203a", _around_urls(text, _EVERY_FORMATTING))
    return _STRUCTURE.sub(GAP, _ENTITY.sub("&" + GAP, text)).translate(_ANGLES)


_EVERY_FORMATTING = re.compile(r"[*_~`\\]")
_ANGLES = str.maketrans({"<": "\\<", ">": "\\>"})


def _around_urls(text: str, signs: re.Pattern[str]) -> str:
    written: list[str] = []
    at = 0
    for url in _URL.finditer(text):
        written += [_alike(text[at : url.start()], signs), _percent(url.group())]
        at = url.end()
    return "".join((*written, _alike(text[at:], signs)))


def _alike(text: str, signs: re.Pattern[str]) -> str:
    return signs.sub(lambda found: _ALIKE[found.group()], text)


def _percent(url: str) -> str:
    return _IN_URL.sub(lambda found: f"%{ord(found.group()):02X}", url)


def _backslashed(text: str, start: int, end: int) -> str:
    written: list[str] = []
    at = start
    for found in _MARKUP.finditer(text, start, end):
        sign = found.end() - 1  # of a numbered item, the point behind the number
        written += [text[at:sign], "\\", text[sign]]
        at = found.end()
    return _ENTITY.sub("&" + GAP, "".join((*written, text[at:end])))
