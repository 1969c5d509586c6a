"""The receivers of the configuration.

Law: Apprise is not imported here; of its URLs only the form is checked. `check` has the rest
checked by Apprise itself, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.config.links import build_link, learn_link
from watcher.config.model import AppriseReceiver, Receiver, Webhook
from watcher.config.schema import RECEIVER_FORMS, AppriseForm, WebhookForm
from watcher.config.sources import check_name
from watcher.config.tree import Entries, Entry, Items, Node, Scalar
from watcher.config.validate import Work, found, is_sensitive, validate
from watcher.redaction import Visibility
from watcher.secrets import SecretText
from watcher.suggest import did_you_mean, short

__all__ = ["build_receivers"]


def build_receivers(entries: Mapping[str, Entry], work: Work) -> tuple[Receiver, ...]:
    """Check all receivers; gives those without mistakes."""
    receivers = (_receiver(entry, work) for entry in entries.values())
    return tuple(receiver for receiver in receivers if receiver is not None)


def _receiver(entry: Entry, work: Work) -> Receiver | None:
    check_name(entry, "receiver", work)
    what = f"the receiver `{short(entry.name)}`"
    table = entry.value
    if not isinstance(table, Entries):
        # What stands there may be a URL with a password, so it is not shown.
        message = f"{what} must be a mapping, found {table.kind}"
        work.problems.append(table.place.problem(message, "write `type: …` and `url: …` below it"))
        return None
    type_ = table.get("type")
    allowed = ", ".join(RECEIVER_FORMS)
    if type_ is None:
        message = f"{what} lacks `type`"
        work.problems.append(
            entry.key.place.problem(message, f"add `type:` with one of: {allowed}")
        )
        return None
    node = type_.value
    if not isinstance(node, Scalar) or node.value not in RECEIVER_FORMS:
        near = did_you_mean(node.raw, RECEIVER_FORMS) if isinstance(node, Scalar) else ""
        shown = found(node, work.texts, hidden=False)
        work.problems.append(
            node.place.problem(f"`type` is no type of receiver{shown}", f"{near}allowed: {allowed}")
        )
        return None
    _learn(table, work)
    form = validate(
        RECEIVER_FORMS[str(node.value)],
        table,
        work,
        parent=entry.key.place,
        what=what,
        literal=("type",),
    )
    if node.value == "webhook":
        if _not_both(table, ("secret", "secrets"), what, work) and isinstance(form, WebhookForm):
            return _webhook(entry.name, form, table, work)
        return None
    if _url_or_urls(entry, table, what, work) and isinstance(form, AppriseForm):
        return _apprise(entry.name, form, table, work)
    return None


def _learn(table: Entries, work: Work) -> None:
    """Make what is written out in secret settings known to the redactor, whatever else is wrong."""
    for name in ("url", "urls"):
        for node in _scalars(table, name):
            work.texts.redactor.add_url(node.raw)
    for node in (*_scalars(table, "secret"), *_scalars(table, "secrets")):
        work.texts.redactor.add(node.raw)
    learn_link(table, work)
    headers = table.get("headers")
    if headers and isinstance(headers.value, Entries):
        for header in headers.value:
            if isinstance(header.value, Scalar) and is_sensitive(header.name):
                work.texts.redactor.add(header.value.raw)


def _scalars(table: Entries, name: str) -> tuple[Scalar, ...]:
    """Give the texts of a setting that may be one text or a list."""
    entry = table.get(name)
    nodes: tuple[Node, ...] = ()
    if entry is not None:
        nodes = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
    return tuple(node for node in nodes if isinstance(node, Scalar))


def _webhook(name: str, form: WebhookForm, table: Entries, work: Work) -> Webhook:
    texts = work.texts
    secrets = _scalars(table, "secret") or _scalars(table, "secrets")
    headers = table.get("headers")
    values: dict[str, SecretText] = {}
    if headers is not None and isinstance(headers.value, Entries):
        for header in headers.value:
            if isinstance(header.value, Scalar):
                values[header.name] = texts.text(header.value)
    return Webhook(
        name=name,
        url=texts.text(_scalars(table, "url")[0]),
        secrets=tuple(map(texts.text, secrets)),
        headers=values,
        timeout=form.timeout.total_seconds(),
        connect_timeout=form.connect_timeout.total_seconds(),
        link=build_link(
            form, table, work, what=f"the receiver `{name}`", connections=form.concurrency
        ),
        visibility=Visibility(thin=form.payload == "thin", redacted=tuple(form.redact)),
        retry=form.retry,
        relaxed=form.ordering == "relaxed",
        limit=form.limit,
    )


def _not_both(table: Entries, names: tuple[str, str], what: str, work: Work) -> bool:
    """Check that of two settings for the same one at most is there."""
    one, several = (table.get(name) for name in names)
    if one is None or several is None:
        return True
    later = max(one, several, key=lambda entry: (entry.key.place.line, entry.key.place.column))
    message = f"{what} has both `{names[0]}` and `{names[1]}`"
    work.problems.append(later.key.place.problem(message, "keep one of the two"))
    return False


def _url_or_urls(entry: Entry, table: Entries, what: str, work: Work) -> bool:
    """An Apprise receiver has either `url` or `urls`."""
    if table.get("url") is None and table.get("urls") is None:
        work.problems.append(
            entry.key.place.problem(f"{what} lacks `url`", "add `url: …`, or `urls: [...]`")
        )
        return False
    return _not_both(table, ("url", "urls"), what, work)


def _apprise(name: str, form: AppriseForm, table: Entries, work: Work) -> AppriseReceiver:
    nodes = _scalars(table, "url") or _scalars(table, "urls")
    return AppriseReceiver(
        name=name,
        urls=tuple(map(work.texts.text, nodes)),
        limit=form.limit,
        visibility=Visibility(redacted=tuple(form.redact)),
        retry=form.retry,
        relaxed=form.ordering == "relaxed",
        format=form.format,
    )
