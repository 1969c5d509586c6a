"""Loading the configuration: read, merge, resolve, check, build; every problem at once.

Law: gives a whole `Config` or raises `ConfigError`; nothing in between, nothing else. No
secret's value is in a problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from watcher.config.discovery import ProviderLoader, installed_providers
from watcher.config.files import Merged, find_paths, read
from watcher.config.model import Config, Receiver, Retention, Server
from watcher.config.receivers import build_receivers
from watcher.config.references import References, build_rules, build_silences, check_uses
from watcher.config.schema import RetentionForm, ServerForm, StoreForm
from watcher.config.sources import build_sources
from watcher.config.texts import Texts
from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Work, found, validate
from watcher.errors import ConfigError, Problem
from watcher.secrets import Redactor
from watcher.store.address import StoreAddress

__all__ = ["load", "sound_receivers"]

M = TypeVar("M", bound=BaseModel)


def load(
    paths: Sequence[Path] | None = None,
    *,
    environ: Mapping[str, str],
    secrets: bool = True,
    providers: Mapping[str, ProviderLoader] | None = None,
    redactor: Redactor | None = None,
) -> Config:
    """Load and check the configuration.

    `paths` are files and directories; without them `$INBOX_WATCHER_CONFIG` (of `environ`) and
    then `./rules`. With `secrets=False` references to secrets are left out: everything else is
    checked, and the settings concerned hold placeholders (such a `Config` is not for running).
    `providers` are loaders by name, by default the installed ones. `redactor` is one that knows
    the secrets of a configuration loaded before, which stay secret.

    Raises ConfigError with every problem, in the order of files and lines.
    """
    merged = read(find_paths(paths, environ))
    redactor = redactor or Redactor()
    texts = Texts(
        environ=environ,
        folders={file: Path(file).parent for file in merged.order},
        redactor=redactor,
        secrets=secrets,
    )
    work = Work(texts, list(merged.problems))
    known = installed_providers() if providers is None else providers
    store = _store(merged, work)
    server = _server(merged, work)
    retention = _section(RetentionForm, merged.single.get("retention"), work)
    sources = build_sources(merged.sources, known, work)
    receivers = build_receivers(merged.receivers, work)
    references = References(merged, work)
    among = replace(work, context=references)
    rules = build_rules(merged, among)
    silences = build_silences(merged, among)
    _check_whole(merged, work)
    check_uses(merged, references, rules, silences, work)
    problems = _tidy((*work.problems, *texts.problems), merged, redactor)
    if problems:
        raise ConfigError(problems)
    return Config(
        store=store,
        server=server,
        retention=Retention(retention.events, retention.deliveries),
        sources=sources,
        receivers=receivers,
        rules=rules,
        silences=silences,
        files=tuple(merged.files),
        warnings=_tidy(work.warnings, merged, redactor),
        redactor=redactor,
    )


def sound_receivers(
    paths: Sequence[Path] | None, *, environ: Mapping[str, str], redactor: Redactor
) -> tuple[Receiver, ...]:
    """Give the receivers that are right by themselves, whatever else is wrong with the configuration.

    The secrets that they hold become known to `redactor`.
    """
    merged = read(find_paths(paths, environ))
    folders = {file: Path(file).parent for file in merged.order}
    sound: list[Receiver] = []
    for name, entry in merged.receivers.items():
        work = Work(Texts(environ=environ, folders=folders, redactor=redactor))
        built = build_receivers({name: entry}, work)
        if not work.problems and not work.texts.problems:
            sound += built
    return tuple(sound)


def _store(merged: Merged, work: Work) -> StoreAddress:
    entry = merged.single.get("store")
    if entry is None:
        return StoreAddress.parse(StoreForm().store)
    table = Entries(entry.key.place, (entry,), 0)
    form = validate(StoreForm, table, work, parent=entry.key.place, what="the configuration")
    return StoreAddress.parse(form.store if form else StoreForm().store)


def _server(merged: Merged, work: Work) -> Server | None:
    entry = merged.single.get("server")
    if entry is not None and isinstance(entry.value, Scalar) and entry.value.value is False:
        return None
    form = _section(ServerForm, entry, work, otherwise="; false turns it off")
    return Server(form.listen.host, form.listen.port, form.probes)


def _section(form: type[M], entry: Entry | None, work: Work, *, otherwise: str = "") -> M:
    """Check a mapping of settings that all have defaults; the defaults where it is wrong."""
    commented_out = entry and isinstance(entry.value, Scalar) and entry.value.value is None
    if entry is not None and not commented_out:
        if isinstance(entry.value, Entries):
            what = f"`{entry.name}`"
            return validate(form, entry.value, work, parent=entry.key.place, what=what) or form()
        keys = " and ".join(form.model_fields)
        shown = found(entry.value, work.texts, hidden=False)
        work.problems.append(
            entry.value.place.problem(
                f"`{entry.name}` must be a mapping{shown}",
                f"its keys are {keys}{otherwise}",
            )
        )
    return form()


def _check_whole(merged: Merged, work: Work) -> None:
    """Check that there is something to watch and to send; not when a part is missing that may
    hold it.
    """
    if not merged.complete:
        return
    first = str(merged.files[0]) if merged.files else ""
    if not merged.sources:
        work.problems.append(
            Problem(first, 1, 1, "no source is configured", "add one under `sources:`")
        )
    if not merged.rules:
        work.warnings.append(
            Problem(first, 1, 1, "no rule is configured, so nothing is sent", "add `rules:`")
        )


def _tidy(problems: Iterable[Problem], merged: Merged, redactor: Redactor) -> tuple[Problem, ...]:
    """Put problems into reading order, each once, and strike out what must not be shown."""
    order = merged.order
    clean = dict.fromkeys(
        replace(
            problem,
            message=redactor.scrub(problem.message),
            remedy=redactor.scrub(problem.remedy),
        )
        for problem in problems
    )
    return tuple(
        sorted(
            clean, key=lambda problem: (order.get(problem.file, -1), problem.line, problem.column)
        )
    )
