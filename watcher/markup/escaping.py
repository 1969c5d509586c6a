"""Escaping: what a stranger's text must look like so that a service shows it and does nothing else.

Rules: pure and total. First a text is cleaned of what no reader can see, whatever the format: control
characters, bidirectional overrides and invisible characters go; letters, marks, symbols and emoji
stay. Cleaning twice changes nothing. Then it is escaped for one kind of markup: a reader of that
markup finds no mention, no markup, and no link but a bare address, which shows where it leads.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

from watcher.markup.text import URL

__all__ = [
    "GAP",
    "as_html",
    "as_html_to_convert",
    "as_markdown",
    "as_markdown_for_telegram",
    "as_markdown_to_convert",
    "as_plain_words",
    "as_target",
    "as_words_in_html",
    "as_words_in_markdown",
    "clean",
    "clean_line",
    "guarded",
    "restored",
]

# Cleaning

MOST_MARKS = 6
"""Combining marks in a row; a higher stack would cover other lines."""

_BREAKS = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_VISIBLE_FORMAT = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
"""Arabic and Syriac signs that Unicode counts as format characters although they are visible."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufff9\ufffa\ufffb\ufffc")
"""Fillers and the like: letters by their category, and invisible."""

_JOINERS = frozenset("\u200c\u200d")
"""Persian and Indic scripts and emoji need them; between ASCII letters they only hide something."""


def clean(text: str) -> str:
    """Remove what is invisible, and make every line break `\\n`."""
    text = _BREAKS.sub("\n", text)
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= MOST_MARKS and (replaced := _kept(char)):
            kept.append(replaced)
    return _without_stray_joiners(kept)


def clean_line(text: str) -> str:
    """Clean a text and make it one line."""
    return " ".join(clean(text).split())


def _kept(char: str) -> str:
    if char in "\n\t" or char in _JOINERS or char in _VISIBLE_FORMAT:
        return char
    match unicodedata.category(char):
        case "Cs":
            return "\N{REPLACEMENT CHARACTER}"
        case "Cc" | "Cf" | "Cn":
            return ""
    point = ord(char)
    return "" if char in _BLANK or 0xE0100 <= point <= 0xE01EF else char


def _without_stray_joiners(chars: list[str]) -> str:
    """Keep a joiner only between two characters that it can join."""
    kept: list[str] = []
    for index, char in enumerate(chars):
        if char in _JOINERS:
            after = chars[index + 1] if index + 1 < len(chars) else ""
            if not (kept and _joins(kept[-1]) and _joins(after)):
                continue
        kept.append(char)
    return "".join(kept)


def _joins(char: str) -> bool:
    return bool(char) and not char.isascii() and char not in _JOINERS and not char.isspace()


# Escaping

GAP = "\u200b"
"""Zero width space: stands between the sign of a mention and its name.

Discord recommends it, and Apprise's conversions keep it, while they drop a backslash.
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

_IN_URL = re.compile(
    r"(?<![^\W_])_|_(?![^\W_])|[*]|~(?=~)|(?<=~)~|!(?=\[|\Z)|&(?=#?\w+;)"  # `a_b` is no markup
)
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
    """Separate the signs of mentions from the names behind them.

    `before` is the author's text in front: a value that follows `@` is a name as well. In an address,
    the sign is written as `%40`, which is the same address.
    """
    addresses = [url.span() for url in URL.finditer(text)] if "@" in text else []

    def separated(found: re.Match[str]) -> str:
        inside = any(start < found.start() < end for start, end in addresses)
        return "%40" if inside and found.group() == "@" else found.group() + GAP

    text = _MENTION.sub(separated, text)
    return GAP + text if _BEFORE_A_NAME.search(before) and _WORD_FIRST.match(text) else text


def as_html(text: str) -> str:
    """Escape a text for HTML, including attributes in quotes. Line breaks stay."""
    return html.escape(text, quote=True).replace("\n", "<br />\n")


def as_html_to_convert(text: str) -> str:
    """Escape a text for HTML that Apprise converts to Markdown; `restored` completes the result.

    Its conversion escapes signs within lines, but not those that begin a list, and breaks addresses:
    their signs are hidden from it.
    """
    return as_html(
        _around_urls(
            text.translate(_NONE),
            lambda url: _percent(url).translate(_HIDDEN),
            lambda text: _STRUCTURE.sub(GAP, text),
        )
    )


def as_words_in_html(text: str) -> str:
    """Write a value within an author's HTML that Apprise converts to markup without an escape."""

    def written(text: str) -> str:
        return _STRUCTURE.sub(GAP, _QUOTE.sub("\\1\u203a", _alike(text, _FORMATTING)))

    return as_html(
        _around_urls(text.translate(_NONE), lambda url: _autolink(url).translate(_HIDDEN), written)
    )


def restored(text: str) -> str:
    """Return Markdown that was made of HTML with the addresses that were hidden in it."""
    return text.translate(_SHOWN)


_HIDDEN = {ord(sign): 0xE000 + ord(sign) for sign in "_~*!<>&=?#:+,;@-./%"}
_SHOWN = {hidden: sign for sign, hidden in _HIDDEN.items()}
_NONE = dict.fromkeys(_SHOWN)


def as_markdown(text: str) -> str:
    """Escape a text for CommonMark and its dialects (Discord, Mattermost, Zulip, Teams).

    A backslash would break a bare address. There, the few signs that could be markup are written as
    `%2A` and the like, which is the same address.
    """
    return _around_urls(_unindented(text), _percent, _backslashed)


def as_markdown_to_convert(text: str) -> str:
    """Escape a text for CommonMark that Apprise converts; it takes `<https://…>` as it is."""
    return _around_urls(_unindented(text), _autolink, _backslashed)


def as_target(url: str) -> str:
    """Write an address as that of a link in Markdown, where signs of markup are none."""
    return _ENTITY.sub("%26", url)


def as_markdown_for_telegram(text: str) -> str:
    """Escape a text for CommonMark that becomes Telegram's, where Apprise writes the escapes."""
    return _around_urls(_unindented(text), lambda url: _backslashed(as_target(url)), _backslashed)


def as_plain_words(text: str) -> str:
    """Write a text for markup without an escape (Slack, Google Chat, WhatsApp).

    Its signs are replaced by others that look alike, where they could begin or end something. `&`,
    `<` and `>` stay: Apprise writes them as each of these services requires.
    """
    return _QUOTE.sub(
        "\\1\u203a", _around_urls(text, _percent, lambda text: _alike(text, _FORMATTING))
    )


def as_words_in_markdown(text: str) -> str:
    """Write a value within an author's CommonMark that Apprise converts to such markup."""

    def written(text: str) -> str:
        text = _QUOTE.sub("\\1\u203a", _alike(text, _EVERY_FORMATTING))
        return _STRUCTURE.sub(GAP, _ENTITY.sub("&" + GAP, text)).translate(_ANGLES)

    return _around_urls(_unindented(text), _autolink, written)


def _unindented(text: str) -> str:
    """Replace the spaces that begin a line, which would make code of it."""
    return _INDENT.sub(lambda found: "\u00a0" * len(found.group().expandtabs(4)), text)


_EVERY_FORMATTING = re.compile(r"[*_~`\\]")
_ANGLES = str.maketrans({"<": "\\<", ">": "\\>"})


def _around_urls(text: str, address: Callable[[str], str], words: Callable[[str], str]) -> str:
    written: list[str] = []
    at = 0
    for url in URL.finditer(text):
        written += [words(text[at : url.start()]), address(url.group())]
        at = url.end()
    return "".join((*written, words(text[at:])))


def _alike(text: str, signs: re.Pattern[str]) -> str:
    return signs.sub(lambda found: _ALIKE[found.group()], text)


def _percent(url: str) -> str:
    return _IN_URL.sub(lambda found: f"%{ord(found.group()):02X}", url)


def _autolink(url: str) -> str:
    return f"<{as_target(url)}>"


def _backslashed(text: str) -> str:
    written: list[str] = []
    at = 0
    for found in _MARKUP.finditer(text):
        sign = found.end() - 1  # of a numbered item, the point behind the number
        written += [text[at:sign], "\\", text[sign]]
        at = found.end()
    return _ENTITY.sub("&" + GAP, "".join((*written, text[at:])))
