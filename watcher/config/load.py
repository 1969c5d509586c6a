"""Loading the configuration: read, merge, resolve, check; every problem at once.

Rules: a whole `Config`, or every problem; nothing in between. No secret's value is in a problem.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from watcher.config.discovery import (
    ProviderLoader,
    ReceiverLoader,
    installed_providers,
    installed_receivers,
)
from watcher.config.files import Document, Places, find_paths, read
from watcher.config.model import Config, General, Retention, Server, Source
from watcher.config.outline import usual_store
from watcher.config.plugins import build_receivers, build_sources
from watcher.config.references import (
    References,
    build_rules,
    build_silences,
    check_coverage,
    check_uses,
    warn_of_budgets,
    warn_of_doubles,
    warn_of_links,
)
from watcher.config.texts import Texts
from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Validation, found, validate
from watcher.coverage import Shown
from watcher.errors import ConfigError, Problem
from watcher.notify.receivers import Receiver
from watcher.rules import Rule
from watcher.secrets import Redactor
from watcher.secrets.modes import openness
from watcher.settings.base import Mistake
from watcher.settings.heartbeat import Heartbeat
from watcher.settings.link import Link, LinkSettings
from watcher.settings.network import NetworkSettings
from watcher.suggest import short
from watcher.transport.links import LinkUnusable, context_for, marks

__all__ = ["Inspection", "inspect_files", "load"]

M = TypeVar("M", bound=BaseModel)

TROUBLE = "source.failing"
"""The event without which a source that fails looks like a quiet one."""


ALIKE = 10
"""Problems that are shown of one place."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in configuration files, right or wrong."""

    config: Config
    """What is right in them; all of it where there are no problems."""

    problems: tuple[Problem, ...]
    """All of them, in the order of files and lines."""

    receivers: tuple[Receiver, ...]
    """Those that are right by themselves, whatever else is wrong."""

    places: Places
    """Where the parts stand."""

    redactor: Redactor
    """Knows every secret that was read."""

    unresolved: tuple[Problem, ...]
    """References in `store` that cannot be resolved: then `config` has another store."""


def load(
    paths: Sequence[Path] | None = None,
    *,
    environ: Mapping[str, str],
    secrets: bool = True,
    providers: Mapping[str, ProviderLoader] | None = None,
    receivers: Mapping[str, ReceiverLoader] | None = None,
    redactor: Redactor | None = None,
) -> Config:
    """Load and check the configuration; the arguments are those of `inspect_files`.

    Raise ConfigError with every problem, in the order of files and lines.
    """
    inspection = inspect_files(
        paths,
        environ=environ,
        secrets=secrets,
        providers=providers,
        receivers=receivers,
        redactor=redactor,
    )
    if inspection.problems:
        raise ConfigError(inspection.problems)
    return inspection.config


def inspect_files(
    paths: Sequence[Path] | None = None,
    *,
    environ: Mapping[str, str],
    secrets: bool = True,
    providers: Mapping[str, ProviderLoader] | None = None,
    receivers: Mapping[str, ReceiverLoader] | None = None,
    redactor: Redactor | None = None,
    learns: bool = False,
) -> Inspection:
    """Read each file once and check everything.

    `paths` are files and directories; without them `$INBOX_WATCHER_CONFIG` (of `environ`) and
    then `./rules`. With `secrets=False` references to secrets are left out, except in `store`:
    everything else is checked, and the settings concerned have their defaults (such a `Config` is
    not for running).
    `providers` and `receivers` are loaders of plug-ins by name, by default the installed ones.
    `redactor` is one that knows the secrets of a configuration loaded before, which stay secret.
    With `learns` it learns those that are left out, as far as they can be read here.
    """
    with _keeping_all():
        return _inspect(
            paths, environ, redactor or Redactor(), providers, receivers, secrets, learns
        )


@contextmanager
def _keeping_all() -> Iterator[None]:
    """Collect no garbage meanwhile: what is read stays, and to look at it again and again is a
    quarter of the work with thousands of sources.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _inspect(
    paths: Sequence[Path] | None,
    environ: Mapping[str, str],
    redactor: Redactor,
    providers: Mapping[str, ProviderLoader] | None,
    receivers: Mapping[str, ReceiverLoader] | None,
    secrets: bool,
    learns: bool,
) -> Inspection:
    document = read(find_paths(paths, environ))
    texts = Texts(
        environ=environ,
        folders=document.folders(),
        redactor=redactor,
        secrets=secrets,
        learns=learns,
    )
    validation = Validation(texts, list(document.problems))
    if secrets:
        validation = replace(validation, examine=_unusable_files)
    known = installed_providers() if providers is None else providers
    kinds = installed_receivers() if receivers is None else receivers
    general, unresolved = _general(document, validation, environ)
    server = _server(document, validation)
    retention = _section(Retention, document.single.get("retention"), validation)
    network = _section(NetworkSettings, document.single.get("network"), validation)
    heartbeat = _heartbeat(document.single.get("heartbeat"), validation)
    sources = build_sources(document.sources, known, validation)
    notified = build_receivers(document.receivers, kinds, validation)
    references = References(document, general.timezone, validation)
    among = replace(validation, context=references)
    rules = build_rules(document, among)
    silences = build_silences(document, among)
    _check_whole(document, rules, validation)
    check_uses(document, references, rules, silences, validation)
    warn_of_doubles(document, rules, notified, validation)
    warn_of_budgets(document, references, rules, validation)
    if server is None or server.public_url is None or server.links is None:
        warn_of_links(document, rules, validation)
    # Where a source is wrong, or a file is missing, it may be the one that shows what is asked for.
    if document.complete and len(sources) == len(document.sources):
        shown = Shown(sources, keeps_texts=general.store_texts)
        check_coverage(document, references, rules, shown, validation)
    places = Places(document)
    # `check --no-secrets` looks for another machine, whose files are others.
    if (secrets or learns) and not general.insecure_files:
        validation.weak.extend(_open_files(document, texts, (*sources, *notified), places))
    missing = unresolved if secrets else ()
    problems = _tidy((*validation.problems, *texts.problems, *missing), places, redactor)
    config = Config(
        store=general.store,
        server=server,
        retention=retention,
        network=network,
        heartbeat=heartbeat,
        sources=sources,
        receivers=notified,
        rules=rules,
        silences=silences,
        timezone=general.timezone,
        store_texts=general.store_texts,
        least_free=general.least_free,
        files=tuple(document.files),
        sound=not problems,
        warnings=_tidy((*validation.warnings, *validation.weak), places, redactor),
        weak=_tidy(validation.weak, places, redactor),
        redactor=redactor,
        places=places,
    )
    sound = (
        one
        for one in notified
        if not (secrets and texts.left_out_within(document.receivers[one.name].value))
    )
    return Inspection(config, problems, tuple(sound), places, redactor, unresolved)


def _unusable_files(settings: BaseModel) -> Iterator[Mistake]:
    """Yield files of certificates that cannot be used: each is opened here once."""
    if not isinstance(settings, LinkSettings) or not (settings.ca_file or settings.client_cert):
        return
    link = settings.link_with()
    identity = Link(
        client_cert=link.client_cert, client_key=link.client_key, password=link.password
    )
    for key, part in (("ca_file", Link(ca_file=link.ca_file)), ("client_cert", identity)):
        if getattr(settings, key) is None:
            continue
        try:
            marks(part)
            context_for(part)
        except LinkUnusable as unusable:
            remedy = "a relative path starts at the folder of this file"
            yield Mistake(f": {unusable}", remedy, (key,))


def _open_files(
    document: Document, texts: Texts, parts: Sequence[Source | Receiver], places: Places
) -> Iterator[Problem]:
    """Yield the files that other users may change, or read where they hold a secret."""
    accepted = "accept it with `insecure_files: true`"
    written: dict[str, list[Scalar]] = {}
    for scalar in texts.written_out():
        written.setdefault(scalar.place.file, []).append(scalar)
    for path in document.files:
        if words := openness(path, secret=False):
            yield Problem(str(path), 0, 0, f"this file {words}", f"chmod it, or {accepted}")
        elif (there := written.get(str(path))) and (words := openness(path, secret=True)):
            many = f"{len(there):,} secrets are" if there[1:] else "a secret is"
            remedy = "`chmod 600` it, or write `${NAME}` or `${file:PATH}` there"
            yield there[0].place.problem(
                f"this file {words}, and {many} written out in it", f"{remedy}, or {accepted}"
            )
    for scalar, path in texts.files():
        if words := openness(path, secret=True):
            remedy = f"`chmod 600` it, or {accepted}"
            yield scalar.place.problem(f"the secret's file {short(str(path))} {words}", remedy)
    for part in parts:
        if not isinstance(part, LinkSettings):
            continue
        kind: Literal["sources", "receivers"] = (
            "sources" if isinstance(part, Source) else "receivers"
        )
        key = "client_key" if part.client_key is not None else "client_cert"
        for setting in ("ca_file", "client_cert", "client_key"):
            file = getattr(part, setting)
            words = openness(file, secret=setting == key) if file is not None else ""
            if words:
                place = places.of(kind, str(part.name), setting)
                yield place.problem(
                    f"the file {short(str(file))} {words}", f"chmod it, or {accepted}"
                )


def _general(
    document: Document, validation: Validation, environ: Mapping[str, str]
) -> tuple[General, tuple[Problem, ...]]:
    """Check the single settings; the defaults where one is wrong. Return with them what cannot be
    resolved in them: every command needs the store, also one that needs no secrets.
    """
    usual = General(store=usual_store(document))
    entries = [document.single[key] for key in General.model_fields if key in document.single]
    if not entries:
        return usual, ()
    texts = Texts(environ=environ, folders=document.folders(), redactor=validation.texts.redactor)

    def check(entries: Sequence[Entry], into: Validation) -> General | None:
        place = entries[0].key.place
        table = Entries(place, tuple(entries), 0)
        what, literal = "the configuration", ("timezone",)
        return validate(General, table, into, parent=place, what=what, literal=literal)

    form = check(entries, replace(validation, texts=texts))
    store = document.single.get("store")
    if form is None and store is not None:  # the store is found whatever is wrong beside it
        form = check([store], replace(validation, texts=texts, problems=[], warnings=[]))
    if form is None:
        form = usual
    elif store is None or texts.left_out(store.value):
        form = form.model_copy(update={"store": usual.store})
    return form, tuple(texts.problems)


def _server(document: Document, validation: Validation) -> Server | None:
    entry = document.single.get("server")
    if entry is not None and isinstance(entry.value, Scalar) and entry.value.value is False:
        return None
    return _section(Server, entry, validation, otherwise="; false turns it off")


def _heartbeat(entry: Entry | None, validation: Validation) -> Heartbeat | None:
    if entry is None or (isinstance(entry.value, Scalar) and entry.value.value is None):
        return None
    what, place = "`heartbeat`", entry.key.place
    if isinstance(entry.value, Entries):
        return validate(Heartbeat, entry.value, validation, parent=place, what=what)
    shown = found(entry.value, validation.texts, hidden=False)
    validation.problems.append(
        entry.value.place.problem(
            f"{what} must be a mapping{shown}", 'write `heartbeat: {url: "${HEARTBEAT_URL}"}`'
        )
    )
    return None


def _section(
    form: type[M], entry: Entry | None, validation: Validation, *, otherwise: str = ""
) -> M:
    """Check a mapping of settings that all have defaults; the defaults where it is wrong."""
    commented_out = entry and isinstance(entry.value, Scalar) and entry.value.value is None
    if entry is not None and not commented_out:
        if isinstance(entry.value, Entries):
            what = f"`{entry.name}`"
            return (
                validate(form, entry.value, validation, parent=entry.key.place, what=what) or form()
            )
        *keys, last = form.model_fields
        shown = found(entry.value, validation.texts, hidden=False)
        validation.problems.append(
            entry.value.place.problem(
                f"`{entry.name}` must be a mapping{shown}",
                f"its keys are {', '.join(keys)} and {last}{otherwise}",
            )
        )
    return form()


def _check_whole(document: Document, rules: Sequence[Rule], validation: Validation) -> None:
    """Check that there is something to watch and to send; not when a part is missing that may
    hold it.
    """
    if not document.complete:
        return
    first = str(document.files[0]) if document.files else ""
    if not document.sources:
        validation.problems.append(
            Problem(first, 1, 1, "no source is configured", "add one under `sources:`")
        )
    if not document.rules:
        validation.warnings.append(
            Problem(first, 1, 1, "no rule is configured, so nothing is sent", "add `rules:`")
        )
    # A rule with a mistake may be the one.
    elif len(rules) == len(document.rules) and not any(TROUBLE in one.types for one in rules):
        validation.warnings.append(
            Problem(
                first,
                1,
                1,
                f"no rule tells of {TROUBLE}: a token that expires would look like a quiet inbox",
                f"add a rule with `when: [{TROUBLE}, source.recovered]`",
            )
        )


def _tidy(problems: Iterable[Problem], places: Places, redactor: Redactor) -> tuple[Problem, ...]:
    """Put problems into reading order, each once, and strike out what must not be shown.

    What thousands of rows say of one setting of `sources_from` is shown for the first of them.
    """
    by_place: dict[tuple[str, int, int], list[Problem]] = {}
    for one in dict.fromkeys(problems):
        by_place.setdefault((one.file, one.line, one.column), []).append(one)
    clean: dict[Problem, None] = {}
    for here in by_place.values():
        left_out = len(here) - ALIKE
        for number, one in enumerate(here[:ALIKE], 1):
            more = f"; and {left_out:,} more here" if number == ALIKE and left_out > 0 else ""
            message = redactor.scrub_sentence(one.message) + more
            remedy = redactor.scrub_sentence(one.remedy)
            clean[replace(one, message=message, remedy=remedy)] = None
    return places.in_order(clean)
