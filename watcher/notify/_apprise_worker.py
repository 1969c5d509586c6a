"""What runs in a worker process: the only code that imports Apprise.

Rules: the daemon's own process imports this module too (functions are pickled by name), so Apprise
is imported inside functions only. What goes back is plain text without any part of a URL.

How much of a message a service takes is asked of its own plug-in: in Apprise's mode that splits, with
nothing sent, a text that fits remains one piece. So every plug-in's figures count, and count as they
do when it sends: after conversion, with the title where it goes, in bytes where it counts bytes.

Apprise itself stays out of threads: with `service_timeout=0` and one service it sends in the
calling thread, so that killing the process ends everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from watcher import __version__
from watcher.addresses import EVERYWHERE, AddressFilter, is_link_local, is_local
from watcher.markup import Draft, Written, fit, restored, service_of, write
from watcher.notify._apprise_bounds import MEMORY, confine, denied, redirected
from watcher.notify._apprise_lifetime import living_at_most
from watcher.notify._apprise_parameters import unknown_parameter
from watcher.secrets import Redactor
from watcher.suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Attempt", "Verdict", "examine", "send"]

Attempt = tuple[Literal["ok", "failed", "refused"], str, bool, str]
"""Outcome, note, whether the answer itself says that the text is why it was refused, and what the
service answered, in its own words.
"""

Weakness = Literal["unverified", "clear", "link-local"]


class Verdict(NamedTuple):
    """What Apprise says of a URL without sending anything."""

    problem: str | None
    """What is wrong with it."""

    weak: tuple[Weakness, ...] = ()
    """What weakens it: certificates that are not verified, no TLS, a link-local address."""


_STATUS = re.compile(r"\berror=([45]\d\d)(?:\d\d)?\b")
"""How Apprise's plug-ins tell the status that a service has answered; ntfy's codes begin with it."""

_REFUSING = frozenset({400, 413, 414, 415, 422, 431})
"""Statuses by which services refuse a text, among other things."""

_SURE = frozenset({413, 414, 431})
_AWAY = frozenset({401, 403, 404, 405, 407, 408, 409, 410, 425, 429})
"""Statuses that are about the sender, the address or the pace, whatever the words."""

_BYTES = re.compile(r"^Response Details:\s*(?:b(['\"]))?(.*?)\1?$", re.DOTALL)
"""An answer as plug-ins log it: as Python writes bytes."""

_SMTP = re.compile(r"^Socket Exception: \((\d{3}),.*\Z", re.DOTALL)
"""How Apprise logs that a mail server refused: with the server's words behind the status."""

_OF_THE_TEXT = re.compile(
    r"too[ _-]?(long|large|big)|(exceed|larger than|longer than|max(imum)?[ _-]?(length|size))"
    r"|fewer in length|can'?t parse|cannot parse|unable to parse|could not (parse|decode)"
    r"|malformed|unsupported (start tag|markup)|(parse|find end of the) entit"
    r"|(invalid|bad)[ _-]?(form body|json|markup|payload|block|attachment|format|body|text|message"
    r"|markdown|html|content)|no_text|(text|message|content)( is|_is)?[ _-]empty"
    r"|message size|\b5\.[36]\.[0-9]\b|\b552\b",
    re.IGNORECASE,
)
"""What services say of a text that they do not take. Apprise passes no code of its own on."""

NOTE_LENGTH = 200
SHORTEST_SECRET = 4
"""Characters; shorter parts of a URL are blotted out between signs alone, not as words of a sentence."""

DISTINCT_SECRET = 8
"""Characters; shorter parts are blotted out as words of their own alone."""


def send(
    url: str, draft: Draft, longest: int, lifetime: float, addresses: AddressFilter = EVERYWHERE
) -> Attempt:
    """Send one message to one Apprise URL, at once and without retries of Apprise's own, and connect
    where `addresses` permit.

    It is cut to what the service takes, and no value in it is longer than `longest` characters; an
    `overflow=` in the URL leaves that to Apprise.

    The process ends itself `lifetime` seconds later if it still hangs then, so it ends also when
    its parent is gone.
    """
    try:
        confine(addresses)
        _schemas()  # loads all plugins, once in a process and before the clock starts
        with living_at_most(lifetime):
            return _send(url, draft, longest)
    except MemoryError:
        needs = f"the worker process needs more than {MEMORY // 2**20} MB of memory"
        return "failed", needs, False, ""


def examine(urls: tuple[str, ...], lifetime: float) -> tuple[Verdict, ...]:
    """Return for each Apprise URL what is wrong with it, and what is weak."""
    confine()
    with living_at_most(lifetime):
        return tuple(map(_examine, urls))


def _examine(url: str) -> Verdict:
    plugin, problem = _load(url)
    if problem is not None:
        return Verdict(problem)
    return Verdict(unknown_parameter(type(plugin), url), tuple(_weaknesses(plugin)))


def _weaknesses(plugin: Any) -> Iterator[Weakness]:
    """Yield what is weak in how a plug-in, as it was loaded, reaches its service."""
    if not plugin.verify_certificate:
        yield "unverified"
    host = _own_host(plugin)
    clear = not plugin.secure or getattr(plugin, "secure_mode", "") == "insecure"  # of mail
    if host and clear and not is_local(host):
        yield "clear"
    if is_link_local(host):
        yield "link-local"


def _own_host(plugin: Any) -> str:
    """Return the host that a plug-in connects to, empty where the service has its own, which is always
    reached by TLS: then the first part of the URL is a token.
    """
    host, mode = str(plugin.host or "").strip("[]"), str(getattr(plugin, "mode", ""))
    with_host = ["{host}" in one for one in plugin.templates]
    if mode in ("cloud", "official") or not any(with_host):
        return ""
    certain = all(with_host) or plugin.port or re.search(r"[.:]", host)
    return host if certain else ""


def _send(url: str, draft: Draft, longest: int) -> Attempt:
    from apprise import AppriseResultStatus

    plugin, problem = _load(url)
    if problem is not None:
        return "failed", problem, False, ""
    if _schema(url) in _MAIL and draft.thread is not None:
        _put_into_thread(plugin, draft.thread)
    result = _notify(plugin, _written(plugin, url, draft, longest))
    name = str(plugin.service_name)
    # The attempt's status, not the result's: `?optional=yes` would call a failure a success.
    if any(
        attempt.status == AppriseResultStatus.SUCCESS
        for service in result.results
        for attempt in service.attempts
    ):
        return "ok", f"{name}: accepted", False, ""
    lines = [(str(entry.level), str(entry.message)) for entry in result.logs()]
    refused, certain = _refusal(lines)
    reason = _reason(lines, url) or "not sent, and the service gives no reason"
    if (status := redirected()) and not plugin.redirects:
        reason = f"a redirect (HTTP {status}), which is not followed"
    if by := denied():
        reason = f"`network.deny` forbids connections to its address: {by}"
    said = scrub(" ".join(_BYTES.sub(r"\2", text) for text in _answers(lines)), url)
    return "refused" if refused else "failed", f"{name}: {reason}", certain, said


_MAIL = ("mailto", "mailtos")


def _put_into_thread(plugin: Any, thread: str) -> None:
    """Have mails of one conversation refer to one message: programs for mail show them together.

    That message is never sent, so none has to be the first.
    """
    domain = str(plugin.from_addr[1]).rpartition("@")[2] or "inbox-watcher.invalid"
    given = {str(name).casefold() for name in plugin.headers}
    for name in ("In-Reply-To", "References"):
        if name.casefold() not in given:
            plugin.headers[name] = f"<{thread}@{domain}>"


def _notify(plugin: Any, written: Written) -> Any:
    """Have Apprise hand a message to its plug-in, and return Apprise's result."""
    import logging

    from apprise import Apprise

    # A title of a service without a field for it, Apprise puts in front of the body.
    title, body, body_format = _hand(plugin, written, heading=plugin.title_maxlen <= 0)
    sender = Apprise(asset=plugin.asset)
    sender.add(plugin)
    logging.getLogger("apprise").setLevel(logging.DEBUG)  # captured, never printed
    # A format always: without it, mail carries text as raw HTML and Slack lets `<!channel>` pass.
    return sender.notify(
        body=body,
        title=title,
        body_format=body_format,
        interpret_escapes=False,
        log_level=logging.DEBUG,  # SMTP's own reasons are logged no higher
    )


def _hand(plugin: Any, written: Written, *, heading: bool) -> tuple[str, str, Any]:
    """Return title, body, and the format to pass to Apprise with them."""
    from apprise import NotifyFormat, conversion

    convert: Any = conversion.convert_between  # untyped
    title, body = written.heading if heading else written.title, written.body
    html, _, handing = written.handing.rpartition("-to-")
    if html:
        body = restored(convert(NotifyFormat.HTML, NotifyFormat.MARKDOWN, body))
        if heading:
            title = restored(convert(NotifyFormat.HTML, NotifyFormat.MARKDOWN, title))
    if handing != "native":
        return title, body, NotifyFormat(handing)
    # What it takes itself, so that Apprise converts nothing.
    return title, body, plugin.resolve_format(NotifyFormat.MARKDOWN)


# How much fits


def _written(plugin: Any, url: str, draft: Draft, longest: int) -> Written:
    """Return as much of a message as the service takes, as it is passed to Apprise."""
    service = service_of(url)
    if "overflow" in dict(parse_qsl(url.partition("?")[2].casefold(), keep_blank_values=True)):
        return write(service, draft.title, draft.body, draft.format)

    def fits(written: Written) -> bool:
        widened = written.widened(service.counts)
        return _fits(plugin, written) and (widened == written or _fits(plugin, widened))

    # No value can be longer than the whole; and the plug-ins' splitting of a long text is slow.
    most = int(plugin.body_maxlen)
    return fit(draft, service, fits, longest=most if service.letter else min(longest, most))


def _fits(plugin: Any, written: Written) -> bool:
    """Return whether the plug-in would send a message as it is: in one piece, with its whole title."""
    from apprise import OverflowMode

    lines = int(plugin.body_max_line_count)  # beyond these, Apprise drops lines in silence
    with _nothing_sent(plugin, OverflowMode.UPSTREAM) as pieces:  # converted, and not split: quick
        _notify(plugin, written)
    bodies = [str(piece.get("body") or "") for piece in pieces]
    if any(len(body) > plugin.body_maxlen for body in bodies):
        return False
    if any(0 < lines < len(body.splitlines()) for body in bodies):
        return False
    with _nothing_sent(plugin, OverflowMode.SPLIT) as pieces:
        _notify(plugin, written)
    title = written.title if plugin.title_maxlen > 0 else ""
    return [str(piece.get("title") or "") for piece in pieces] == [title.strip()]


@contextmanager
def _nothing_sent(plugin: Any, overflow: Any) -> Iterator[list[dict[str, Any]]]:
    """Collect the pieces that a plug-in would send in one of Apprise's modes of overflow."""
    pieces: list[dict[str, Any]] = []

    def send(**piece: Any) -> bool:
        pieces.append(piece)
        return True

    instead: dict[str, Any] = {
        "overflow_mode": overflow,
        "body_max_line_count": 0,
        # Apprise calls the one of the text's format, where a plug-in has it.
        **{
            name: send
            for name in ("send", "send_text", "send_markdown", "send_html")
            if callable(getattr(plugin, name, None))
        },
    }
    before = {name: vars(plugin)[name] for name in instead if name in vars(plugin)}
    try:
        vars(plugin).update(instead)
        yield pieces
    finally:
        for name in instead:
            del vars(plugin)[name]
        vars(plugin).update(before)


def _load(url: str) -> tuple[Any, str | None]:
    """Return the plugin for a URL, or what is wrong with the URL."""
    from apprise import Apprise, AppriseAsset

    schema = _schema(url)
    if schema is None:
        return None, "not an Apprise URL (service://…)"
    asset = AppriseAsset(
        service_timeout=0,
        http_redirects=False,  # text and secret headers would go along; `redirect=yes` follows
        app_id="inbox-watcher",
        app_desc=f"v{__version__}",
    )
    try:
        plugin = Apprise.instantiate(url, asset=asset, suppress_exceptions=False)
    except Exception as error:  # noqa: BLE001 - each of 180 plugins raises what it likes
        words = scrub(str(error), url) or type(error).__name__
        return None, f"{schema}:// {words}"
    if plugin is None:
        known = schema in _schemas()
        return None, (
            f"{schema}:// cannot be used: parts are missing, or the service needs a package that "
            "is not installed"
            if known
            else f"{schema}:// is no service that Apprise knows{_meant(schema)}"
        )
    plugin.retry = 0  # `?retry=` in the URL: the outbox retries, with patience
    plugin.throttle = _no_wait  # type: ignore[method-assign]  # the receiver's `limit` is what spaces messages
    return plugin, None


def _meant(schema: str) -> str:
    near = nearest(schema, _schemas())
    return f"; did you mean {near}://?" if near else ""


def _no_wait(*_args: Any, **_kwargs: Any) -> None:
    """Stand in for the pauses that Apprise's plugins make in their sending."""


def _schemas() -> Iterable[str]:
    from apprise.manager_plugins import NotificationManager

    manager: Any = NotificationManager  # untyped
    return {str(schema) for schema in manager().schemas()}


def _schema(url: str) -> str | None:
    found = re.match(r"([a-z][a-z0-9]{0,19}):/", url, re.IGNORECASE)
    return found.group(1).lower() if found else None


def _refusal(lines: Sequence[tuple[str, str]]) -> tuple[bool, bool]:
    """Return whether a failed attempt's log says that the text was refused, and whether for certain.

    All else is about the service: it is away, it is asked too often, it does not know us.
    """
    shown, answers = [text for level, text in lines if level != "DEBUG"], _answers(lines)
    statuses = [int(found) for text in shown for found in _STATUS.findall(text)]
    status = statuses[-1] if statuses else 0
    # Without an answer there is nobody who could refuse.
    if status in _AWAY or status >= 500 or not (status or answers):
        return False, False
    said = any(_OF_THE_TEXT.search(text) for text in (*shown, *answers))
    certain = said or status in _SURE
    return certain or status in _REFUSING, certain


def _answers(lines: Sequence[tuple[str, str]]) -> list[str]:
    """Return what the service answered, as plug-ins log it. What was sent to it they log as well."""
    begins = ("Response Details", "Socket Exception: (5")  # HTTP, and SMTP's codes
    return [text for level, text in lines if level == "DEBUG" and text.startswith(begins)]


def _reason(lines: Sequence[tuple[str, str]], url: str) -> str:
    """Return the part of a failed attempt's log that explains it to a person, with the status of the
    service's answer and without its words.
    """
    shown = [text for level, text in lines if level in ("WARNING", "ERROR", "CRITICAL")]
    causes = [text for level, text in lines if level == "DEBUG" and "Exception" in text]
    causes = [text.rpartition("(Caused by ")[2] for text in causes]  # requests says much before
    causes = [_SMTP.sub(r"SMTP status \1", text) for text in causes]
    return scrub(" ".join(shown[-1:] + causes[-1:]), url)


def _where(part: str) -> str:
    """Return the pattern of a part of a URL: a short one only where it cannot be a word of the
    sentence, or a part of one.
    """
    found = re.escape(part)
    if len(part) < SHORTEST_SECRET:
        return rf"(?<=[(\[{{<'\"`~=:@/]){found}(?=[)\]}}>'\"`~@/,;]|$)"
    return found if len(part) >= DISTINCT_SECRET else rf"(?<![^\W_]){found}(?![^\W_])"


def _parts(url: str) -> set[str]:
    """Return the parts of a URL beyond its schema."""
    beyond = url.partition(":")[2]
    parts = {part for part in re.split(r"[/:@?&=#+,;\s]", beyond) if part}
    parts |= {part for part in re.split(r"[/:@?&=#+,;\s]", unquote(beyond)) if part}
    parts |= {unquote(part) for part in parts} | {quote(part, safe="") for part in parts}
    # The names of parameters are words of the service's documentation, and stand in its errors.
    return parts - set(re.findall(r"[?&]([a-z]+)=", beyond))


def _redactor(url: str) -> Redactor:
    """Return what strikes a URL's parts out of an answer in whatever form it quotes them."""
    redactor = Redactor("…")
    redactor.add_url(url)
    for part in _parts(url):
        if len(part) >= DISTINCT_SECRET:
            redactor.add(part)
    return redactor


def scrub(text: str, url: str) -> str:
    """Fold to one short line and blot out every part of the URL beyond its schema.

    Apprise's own masking leaves paths, custom headers and ntfy tokens visible, so nothing of the
    URL is let through, host name included: at Slack even that is a token.
    """
    text = _redactor(url).strike(text)
    text = re.sub(r"\b[a-z][a-z0-9+.-]*://\S+", "…", text, flags=re.IGNORECASE)
    text = re.sub(r"with url: \S+", "with url: …", text)
    beyond = url.partition(":")[2]
    parts = _parts(url)
    login, at, _ = re.split(r"[/?#]", beyond.lstrip("/"), maxsplit=1)[0].rpartition("@")
    if at:
        # What follows an @ of a password is a part of it, however short.
        text = re.sub(rf"{re.escape(login)}@?", "…", text, flags=re.IGNORECASE)
        short = {one for one in re.split(r"[:@]", login) if 0 < len(one) < SHORTEST_SECRET}
        for one in short:
            text = re.sub(rf"(?<=[@:…]){re.escape(one)}(?!\w)", "…", text, flags=re.IGNORECASE)
    for part in sorted(parts, key=len, reverse=True):
        text = re.sub(_where(part), "…", text, flags=re.IGNORECASE)
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:NOTE_LENGTH]
