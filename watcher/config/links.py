"""How a source or a webhook is reached: certificates, proxy, and whether TLS is verified.

Law: files of certificates are opened here once, so that a wrong one is a mistake of the
configuration; where secrets are left out they need not be there.
"""

from __future__ import annotations

from pathlib import Path

from watcher.config.schema import LinkForm
from watcher.config.tree import Entries, Scalar
from watcher.config.validate import Work
from watcher.secrets import SecretText
from watcher.settings.link import CONNECTIONS, USUAL, Link
from watcher.transport.links import LinkUnusable, context_for, marks

__all__ = ["build_link", "learn_link"]

_OWN = ("ca_file", "client_cert", "client_key", "client_key_password", "proxy", "tls_verify")


def learn_link(table: Entries, work: Work) -> None:
    """Make the passwords that are written out known to the redactor, whatever else is wrong."""
    password, proxy = _scalar(table, "client_key_password"), _scalar(table, "proxy")
    if password is not None:
        work.texts.redactor.add(password.raw)
    if proxy is not None and "://" in proxy.raw:
        work.texts.redactor.add_url(proxy.raw)


def build_link(
    form: LinkForm, table: Entries, work: Work, *, what: str, connections: int | None = None
) -> Link:
    """Make the link of a source or receiver, and say what is wrong with its settings.

    `connections` are for a link that nobody shares; without them and without settings of its own
    it is the usual one.
    """
    _warn(table, work, what)
    own = any(table.get(name) is not None for name in _OWN)
    if not own and connections is None:
        return USUAL
    password = _scalar(table, "client_key_password")
    link = Link(
        ca_file=_path(table, "ca_file", work),
        client_cert=_path(table, "client_cert", work),
        client_key=_path(table, "client_key", work),
        password=str if password is None else work.texts.text(password).read,
        verify=form.tls_verify,
        proxy=_Proxy(_text(table, "proxy", work) or SecretText.literal(form.proxy)),
        connections=connections or CONNECTIONS,
    )
    _check(link, table, work)
    return link


class _Proxy:
    """Reads the proxy: an address, "" for none, None for the environment's."""

    __slots__ = ("_text",)

    def __init__(self, text: SecretText) -> None:
        self._text = text

    def __call__(self) -> str | None:
        value = self._text.read()
        return {"environment": None, "direct": ""}.get(value, value)


def _scalar(table: Entries, name: str) -> Scalar | None:
    entry = table.get(name)
    return entry.value if entry is not None and isinstance(entry.value, Scalar) else None


def _text(table: Entries, name: str, work: Work) -> SecretText | None:
    node = _scalar(table, name)
    return None if node is None else work.texts.text(node)


def _path(table: Entries, name: str, work: Work) -> Path | None:
    """Give a file's path; a relative one starts at the folder of the YAML file."""
    node = _scalar(table, name)
    if node is None or work.texts.left_out(node):
        return None
    return work.texts.folder(node) / work.texts.text(node).read()


def _warn(table: Entries, work: Work, what: str) -> None:
    verify = _scalar(table, "tls_verify")
    if verify is not None and verify.value is False:
        work.warnings.append(
            verify.place.problem(
                f"TLS IS NOT VERIFIED for {what}: whoever stands in between can read and change"
                " everything, credentials included",
                "remove `tls_verify: false`; for a private certificate authority set `ca_file`",
            )
        )


def _check(link: Link, table: Entries, work: Work) -> None:
    """Find settings that lack their other half, and files that cannot be used."""
    for name, other in (("client_key", "client_cert"), ("client_key_password", "client_cert")):
        entry = table.get(name)
        if entry is not None and table.get(other) is None:
            work.problems.append(
                entry.key.place.problem(f"`{name}` without `{other}`", f"add `{other}: …`")
            )
            return
    if not work.texts.secrets:
        return
    trust = Link(ca_file=link.ca_file)
    identity = Link(
        client_cert=link.client_cert, client_key=link.client_key, password=link.password
    )
    for name, part in (("ca_file", trust), ("client_cert", identity)):
        node = _scalar(table, name)
        if node is None or work.texts.left_out(node):
            continue
        try:
            marks(part)
            context_for(part)
        except LinkUnusable as unusable:
            work.problems.append(
                node.place.problem(
                    f"`{name}` cannot be used: {unusable}",
                    "a relative path starts at the folder of this file",
                )
            )
