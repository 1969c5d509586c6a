"""The silences of the configuration.

Law: their `match` is checked like a rule's condition; whether one is over is for who has a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watcher.conditions import UnknownName, unknown_names
from watcher.config.expressions import compile_where, text_of
from watcher.config.files import Merged
from watcher.config.named import Names
from watcher.config.rule_schema import SilenceForm
from watcher.config.tree import Entries, Node, Scalar
from watcher.config.validate import Work, validate
from watcher.config.weeks import build_hours, moment, zone_of
from watcher.rules import Silence
from watcher.suggest import did_you_mean, listing, short

__all__ = ["Known", "build_silences", "explain_unknown_name", "find_unknown_names"]

_LITERAL = tuple(info.alias or name for name, info in SilenceForm.model_fields.items())


Known = Mapping[str, Sequence[str]]
"""The names that the configuration gives, by the variable of a `match` that may have them."""


def build_silences(merged: Merged, names: Names, work: Work) -> tuple[Silence, ...]:
    """Check all silences; gives those without mistakes."""
    taken: dict[str, Scalar] = {}
    known = _known(merged)
    silences = (_silence(node, taken, names, known, work) for node in merged.silences)
    return tuple(silence for silence in silences if silence is not None)


def _known(merged: Merged) -> Known | None:
    """Give the names; None where a part of the files is missing that may have others."""
    if not merged.complete:
        return None
    nodes = (rule.get("name") for rule in merged.rules if isinstance(rule, Entries))
    rules = [one.value.raw for one in nodes if one and isinstance(one.value, Scalar)]
    return {"source": [*merged.sources], "rule": rules, "receiver": [*merged.receivers]}


def find_unknown_names(match: str, known: Known) -> tuple[UnknownName, ...]:
    """Give the names in a `match` that nothing has. The source of `receiver.*` events is the
    receiver's name, and that of `watcher.*` events is empty.
    """
    sources = ("", *known["source"], *known["receiver"])
    return unknown_names(match, {**known, "source": sources})


def explain_unknown_name(unknown: UnknownName, known: Known) -> tuple[str, str]:
    """Put into words which name is wrong, and which there are."""
    kind, there = unknown.kind, known[unknown.kind]
    near = did_you_mean(unknown.name, there)
    remedy = f"{near}{kind}s: {listing(there)}" if there else f"there is no {kind}"
    return f"no {kind} is named `{short(unknown.name)}`", remedy


def _silence(
    node: Node, taken: dict[str, Scalar], names: Names, known: Known | None, work: Work
) -> Silence | None:
    if not isinstance(node, Entries):
        message = f"a silence must be a mapping, found {node.kind}"
        work.problems.append(node.place.problem(message, "begin with `name:`"))
        return None
    name = check_unique(node, taken, "silence", work)
    what = f"the silence `{short(name.raw)}`" if name else "the silence"
    form = validate(SilenceForm, node, work, parent=node.place, what=what, literal=_LITERAL)
    match = compile_where(node.get("match"), work, names.conditions, silence=True)
    text = text_of(node.get("match"))
    if match is not None and text is not None and known is not None:
        for unknown in find_unknown_names(text.raw, known):
            message, remedy = explain_unknown_name(unknown, known)
            place = text.at(unknown.offset)
            work.problems.append(place.problem(f"`match`: {message}", remedy))
    if form is None:
        return None
    starts, until = node.get("from"), node.get("until")
    hours_entry = node.get("hours")
    hours = None
    if form.hours is not None and hours_entry is not None:
        hours = build_hours(form.hours, hours_entry, names, what, work)
    first = starts or until
    begin = end = None
    if first is not None:
        zone = zone_of(form.timezone, names, first.key.place, what, work)
        begin, end = moment(starts, zone, work), moment(until, zone, work, last=True)
    if begin and end and until and end <= begin:
        work.problems.append(
            until.value.place.problem(f"{what} ends before it begins", "write a later `until`")
        )
    if until is None and hours_entry is None:
        work.warnings.append(
            node.place.problem(f"{what} never ends", "add `until: 2026-12-24`, or `hours:`")
        )
    if match is None:
        return None
    return Silence(form.name, match, form.reason, begin, end, hours)


def check_unique(node: Entries, taken: dict[str, Scalar], kind: str, work: Work) -> Scalar | None:
    """Give the name of a rule or a silence, of which no two have the same one."""
    entry = node.get("name")
    if entry is None or not isinstance(entry.value, Scalar) or not entry.value.raw:
        return None
    name = entry.value
    first = taken.setdefault(name.raw, name)
    if first is not name:
        place = first.place
        work.problems.append(
            name.place.problem(
                f"the {kind} `{short(name.raw)}` is here a second time; the first is at"
                f" {place.file}:{place.line}:{place.column}",
                "give one of them another name",
            )
        )
    return name
