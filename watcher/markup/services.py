"""Services: how each of Apprise's services reads a text, and how a message is written for it.

Rules: pure. Every schema of Apprise has a row, which somebody chose. One that a newer Apprise adds gets plain
text in which mentions are broken up, the safe choice, until somebody has looked; a test finds it.

`Service.kind` is what the service does with the text that it is sent:

* plain: nothing; markup shows as it is written.
* rich: Apprise converts text, Markdown or HTML to the service's format, and escapes plain text.
* markdown: it reads Markdown in every text, and Apprise passes text on unchanged.
* words: it reads a markup of its own without an escape; Apprise converts Markdown to it.

To bring the list up to date with a new release of Apprise (it was made for 2.2 and 2.3):

1. List the schemas of both releases, and compare::

       python -c "from apprise import Apprise; print(*sorted(name
       for plugin in Apprise().details(show_disabled=True)['schemas']
       for kind in ('protocols', 'secure_protocols') for name in plugin[kind] or ()))"

2. For each new schema, read its plug-in (`apprise/plugins/<name>.py`): `notify_format` (HTML or
   Markdown is `rich`), `title_maxlen` (0: Apprise puts the title in front of the body), and what its
   `send` does to the body. Whether the service itself reads Markdown or mentions, and whether it counts
   bytes, stands in its own documentation only. Add the schema to the row of its kind; where nothing
   speaks for another one, to the last row.
   How long a text may be is asked of the plug-in when a message is sent, and stands nowhere here.
3. For a schema that is gone, remove it here.
4. `tests/notify/test_apprise_services.py` sends through Apprise what each kind promises; run it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args
from urllib.parse import parse_qsl

from watcher.markup.escaping import (
    GAP,
    as_html,
    as_html_to_convert,
    as_markdown,
    as_markdown_for_telegram,
    as_markdown_to_convert,
    as_plain_words,
    as_target,
    as_words_in_html,
    as_words_in_markdown,
    clean,
    clean_line,
    guarded,
)
from watcher.markup.text import URL, Format, parts_of

__all__ = ["FORMATS", "SERVICES", "Service", "Written", "service_of", "write"]

FORMATS: tuple[Format, ...] = get_args(Format)

Unit = Literal["characters", "bytes", "JSON"]
Kind = Literal["plain", "rich", "markdown", "words"]
Commands = Literal["slash", "line", "template", "encoded word"]
Handing = Literal["text", "markdown", "html", "native", "html-to-native", "html-to-markdown"]


@dataclass(frozen=True, slots=True)
class Service:
    """How one service reads a text."""

    kind: Kind = "plain"
    """What it does with markup, see above."""

    guard: bool = True
    """Whether it may read `@name` or `<…>` as a mention."""

    shown: bool = False
    """Whether it reads markup in a title as in a body."""

    literal: bool = False
    """Whether it shows a text as it is if Apprise says that it is one, although it reads markup."""

    escapes: bool = False
    """Whether Apprise escapes a text within its Markdown, addresses too."""

    commands: Commands = "slash"
    """What it could take words for: a `/` at the beginning for a command (only where mentions are
    guarded, too), a line break for the next entry of a log, `{{` for a template, `=?` in a subject for an
    encoded word.
    """

    letter: bool = False
    """Whether it is a mail, or a program: there people expect a long text whole."""

    counts: Unit = "characters"
    """In what the length of a text is counted."""


@dataclass(frozen=True, slots=True)
class Written:
    """A message as it is passed to Apprise."""

    title: str
    """For services that have a field for it."""

    heading: str
    """For services where Apprise puts the title in front of the body."""

    body: str

    handing: Handing
    """The format that Apprise is given.

    `native` is what the service reads, and is passed on unchanged; `html-to-…` is HTML that becomes
    Markdown first (and is completed by `restored`).
    """

    def widened(self, unit: Unit) -> Written:
        """Return the message with as many ASCII characters as a service counts: bytes of UTF-8,
        characters of JSON, or as most do two characters of an emoji.
        """
        wide, width = _WIDE[unit]

        def counted(found: re.Match[str]) -> str:
            return "x" * width(found.group())

        title, heading, body = (
            wide.sub(counted, text) for text in (self.title, self.heading, self.body)
        )
        return replace(self, title=title, heading=heading, body=body)


_WIDE: dict[Unit, tuple[re.Pattern[str], Callable[[str], int]]] = {
    "characters": (re.compile("[\U00010000-\U0010ffff]"), lambda _: 2),
    "bytes": (re.compile(r"[^\x00-\x7f]"), lambda char: len(char.encode(errors="replace"))),
    "JSON": (re.compile(r'[^\x20-\x7e]|["\\]'), lambda char: len(json.dumps(char)) - 2),
}


def _named(service: Service, schemas: str) -> dict[str, Service]:
    return dict.fromkeys(schemas.split(), service)


SERVICES: dict[str, Service] = {
    # No markup and no mentions: text messages, pagers, pushes.
    **_named(
        Service("plain", guard=False),
        "46elks elks aprs atalk bulksms bulkvs burstsms kudosity clickatell clicksend cm d7sms dapnet"
        " eight00com exotel fcm freemobile gorush gorushs gotify gotifys httpsms infobip join kaleyra"
        " klr kavenegar kumulos mobilemessage mobilemsg msg91 msgbird nexmo vonage notifyre ntfy ntfys"
        " octopush onesignal pagerduty plivo prowl pbul push pushed pushy ringc serwersms seven"
        " sfr signl4 sinch smpp smpps smsc smseagle smseagles smsmanager smsmgr smstunnel sns"
        " telesign telnyx twilio vapid voipms",
    ),
    **_named(Service("plain", guard=False, commands="line"), "syslog rsyslog"),
    # Mail, and programs that are sent the format with the text.
    **_named(
        Service("rich", guard=False, commands="encoded word", letter=True),
        "mailto mailtos azure o365 brevo groundmail mailersend mailgun pingram postmark resend sendgrid"
        " sendpulse ses smtp2go sparkpost",
    ),
    **_named(
        Service("rich", guard=False, letter=True), "json jsons xml xmls form forms amqp amqps"
    ),
    **_named(Service("rich", guard=False), "pover pushplus wecom"),
    # Chats for which Apprise writes HTML or escaped Markdown.
    **_named(Service("rich"), "matrix matrixs apprise apprises"),
    **_named(Service("rich", escapes=True), "tgram"),
    # Chats that read Markdown in every text.
    **_named(
        Service("markdown", shown=True),
        "discord guilded fluxer fluxers notifiarr workflow workflows ryver nctalk nctalks"
        " mmost mmosts rocket rockets webex wxteams humhub humhubs",
    ),
    **_named(Service("markdown", shown=True, commands="template"), "hassio hassios"),
    **_named(
        Service("markdown"),
        "zulip revolt twist github goalert goalerts ilert incidentio squadcast simplepush spush schan"
        " reddit zalo",
    ),
    # Chats with a markup of their own.
    **_named(Service("words", shown=True, literal=True), "slack"),
    **_named(
        Service("words", shown=True),
        "gchat cliq zcliq zohocliq kook evolution evolutions whapi",
    ),
    # Plain text with mentions broken up, where the service reads no markup in what Apprise passes on,
    # or its documentation does not say: chats, feeds,
    **_named(
        Service(),
        "acs awswhatsapp bale bluesky bsky deltachat deltachats dingtalk dot feishu flock groupme gupshup"
        " instagram irc ircs kakao kakaotalk lark line mastodon mastodons misskey misskeys ncloud nclouds"
        " nostr notifico notificos onebot onebots qq session sessions signal signals sogs stackfield"
        " strmlabs synology synologys threema toot toots tweet twitter viber wechat wecombot whatsapp x"
        " xmpp xmpps zoom",
    ),
    # pushes, desktops, televisions,
    **_named(
        Service(),
        "bark barks blink1 chanify dbus emby embys enigma2 enigma2s gio glib gnome growl jellyfin jellyfins"
        " kde kodi kodis lametric lametrics lauther macosx notica noticas notifyapp parsep parseps pinglet"
        " pinglets pjet pjets psafer psafers pushdeer pushdeers pushme pushward qt signalgrid spugpush"
        " trigv trigvs windows wpush wxpusher xbmc xbmcs youlmk",
    ),
    # incidents, tickets, programs.
    **_named(
        Service(),
        "betterstack firehydrant flowtriq flowtriqs ifttt jira lfg mqtt mqtts opsgenie opsimate opsimates"
        " pagertree spike splunk victorops xmatters",
    ),
}
"""By the schema of the URL."""

_COUNTS: dict[str, Unit] = {
    **dict.fromkeys(("sns", "webex", "wxteams", "gorush", "gorushs", "mqtt", "mqtts"), "bytes"),
    **dict.fromkeys(("wechat", "wecombot", "dingtalk", "feishu", "lark", "irc", "ircs"), "bytes"),
    **dict.fromkeys(("ntfy", "ntfys"), "JSON"),  # what is longer becomes a file that nobody reads
}
"""What of these is not counted in characters."""

_UNKNOWN = Service()

_SLASH = re.compile(r"\A(\s*)/")
_TEMPLATE = re.compile(r"\{(?=[{%#])")
_ENCODED_WORD = re.compile(r"=(?=\?)|\?(?==)")


@lru_cache(maxsize=1024)
def service_of(url: str) -> Service:
    """Return how the service of an Apprise URL reads a text; a `format=` in the URL counts."""
    schema = url.partition(":")[0].strip().casefold()
    service = replace(SERVICES.get(schema, _UNKNOWN), counts=_COUNTS.get(schema, "characters"))
    asked = dict(parse_qsl(url.partition("?")[2].casefold())).get("format", "")
    if service.kind == "plain" and asked[:1] in ("m", "h") and asked in FORMATS:
        return replace(service, kind="rich")
    return service


def write(service: Service, title: str, body: str, format: Format) -> Written:  # noqa: A002 - the word of the configuration
    """Write a message for a service.

    Values and ordinary `str` are a stranger's. What a template's author wrote is markup where
    `format` says so; for `text` it shows as it is written.
    """
    guard = service.guard
    own: Callable[[str], str] = str
    value: Callable[[str], str] = str
    handing: Handing = "text"
    match service.kind, format:
        case "markdown", "text":
            own = value = as_markdown
            handing = "native"
        case "markdown", "markdown":
            value, handing = as_markdown, "native"
        case "rich", "markdown":
            value = as_markdown_for_telegram if service.escapes else as_markdown_to_convert
            handing = "markdown"
        case "words", "text" if service.literal:
            own = value = as_plain_words
        case "words", "text":
            own = value = as_words_in_markdown
            handing = "markdown"
        case "words", "markdown":
            value, handing = as_words_in_markdown, "markdown"
        case "words", "html":
            value, handing = as_words_in_html, "html-to-markdown"
        case "markdown", "html":
            value, handing = as_html_to_convert, "html-to-native"
        case _, "html":
            value, handing = as_html, "html"
    heading = " ".join(_escape(title, own, value, guard, clean_line).split())
    if not service.shown:
        title = _escape(title, str, str, guard, clean_line)
    elif service.kind == "markdown":
        title = _escape(
            title, as_markdown if format != "markdown" else own, as_markdown, guard, clean_line
        )
    else:
        title = _escape(title, as_plain_words, as_plain_words, guard, clean_line)
    text = _escape(body, own, value, guard, clean)
    title, heading, text = (_disarmed(each, service) for each in (title, heading, text))
    if service.kind == "plain" and handing == "html":  # Apprise leaves out where a link leads
        heading, text = _ANCHOR.sub(_spelled_out, heading), _ANCHOR.sub(_spelled_out, text)
    title = " ".join(title.split())
    if (
        service.commands == "encoded word"
    ):  # then the subject is no ASCII, and is encoded as a whole
        title = _ENCODED_WORD.sub(rf"\g<0>{GAP}", title)
    return Written(title, heading, text, handing)


def _disarmed(text: str, service: Service) -> str:
    """Return a text in which the service finds no command."""
    match service.commands:
        case "line":
            return " ".join(text.split())
        case "template":
            return _TEMPLATE.sub("{" + GAP, text)
        case "slash" if service.guard:
            return _SLASH.sub(rf"\1{GAP}/", text)
    return text


_ANCHOR = re.compile(
    r"""<a\b[^<>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)')[^<>]*>(.*?)</a\s*>""",
    re.IGNORECASE | re.DOTALL,
)


def _spelled_out(anchor: re.Match[str]) -> str:
    address, words = anchor.group(1) or anchor.group(2) or "", anchor.group(3)
    return words if not address or address in words else f"{words} ({address})"


def _escape(
    text: str,
    own: Callable[[str], str],
    value: Callable[[str], str],
    guard: bool,
    tidy: Callable[[str], str],
) -> str:
    written: list[str] = []
    before = so_far = ""
    for part in parts_of(text):
        if part.own:
            before = part.text
            so_far += part.text
            written.append(own(part.text))
            continue
        tidied = _tidied(part.text, tidy)
        if own is str and URL.fullmatch(tidied) and (target := _target(so_far, value)):
            written.append(target(tidied))
        else:
            written.append(value(guarded(tidied, before) if guard else tidied))
    return "".join(written)


def _target(before: str, value: Callable[[str], str]) -> Callable[[str], str] | None:
    """Return how to write an address where an author's link leads, None where it stands in a text."""
    if value in (
        as_markdown,
        as_markdown_to_convert,
        as_markdown_for_telegram,
        as_words_in_markdown,
    ):
        return as_target if before.endswith(("](", "](<", "<")) else None
    return as_html if before.rfind("<") > before.rfind(">") else None


def _tidied(part: str, tidy: Callable[[str], str]) -> str:
    """Clean one value. The spaces around it stay: its neighbours are words."""
    if tidy is clean:
        return clean(part)
    inner = tidy(part)
    if not inner:
        return " " if part else ""
    return f"{' ' * part[:1].isspace()}{inner}{' ' * part[-1:].isspace()}"
