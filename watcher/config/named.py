"""What rules share by name: conditions, templates, and the time zone.

Law: a name that cannot be used is a problem here, once; what names it is checked all the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import get_args
from zoneinfo import ZoneInfo

from pydantic import Field

from watcher.conditions import Condition, compile_conditions
from watcher.config.expressions import check_template, object_to, text_of
from watcher.config.files import Merged
from watcher.config.rule_schema import TemplateForm
from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Work, validate
from watcher.rules import Format
from watcher.settings.base import Settings
from watcher.settings.calendar import Zone
from watcher.settings.values import CONDITION_NAME_PATTERN, NAME_PATTERN
from watcher.suggest import did_you_mean, listing, short

__all__ = ["NO_WORDS", "Names", "Words", "build_names", "warn_of_unused"]

Words = tuple[str | None, str | None, Format | None]
"""Sources of title and body, None for the default ones, and what they are written in, None for the
receiver's own.
"""

NO_WORDS: Words = (None, None, None)

_RESERVED = frozenset(
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import",
        "in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void",
        "while",
    }
)  # fmt: skip
"""Words that CEL keeps for itself."""


class _ZoneForm(Settings):
    timezone: Zone | None = Field(default=None)


@dataclass(frozen=True, slots=True)
class Names:
    """What the file's parts may name. `zone` is None where none is configured. `used` collects
    the templates that some rule names.
    """

    conditions: Mapping[str, Condition] = field(default_factory=dict)
    templates: Mapping[str, Entry] = field(default_factory=dict)
    zone: ZoneInfo | None = None
    used: set[str] = field(default_factory=set)

    def words(self, node: Scalar, work: Work, *, many: bool) -> Words:
        """Give the words of the template that a text names; where there is none, that is said."""
        entry = self.templates.get(node.raw)
        if entry is None:
            known = list(self.templates)
            if re.match(NAME_PATTERN, node.raw):
                remedy = f"{did_you_mean(node.raw, known)}configured: {listing(known) or 'none'}"
            else:
                remedy = "write `message: {body: …}`, or the name of one below `templates:`"
            work.problems.append(
                node.place.problem(f"there is no template `{short(node.raw)}`", remedy)
            )
            return NO_WORDS
        self.used.add(node.raw)
        if not isinstance(entry.value, Entries):
            return NO_WORDS
        return words_of(entry.value, work, many=many)


def words_of(table: Entries, work: Work, *, many: bool) -> Words:
    """Check the title and the body of a mapping; gives their sources."""
    title = check_template(table.get("title"), work, many=many)
    body = check_template(table.get("body"), work, many=many)
    written = text_of(table.get("format"))
    known: dict[str, Format] = {one: one for one in get_args(Format)}
    return title, body, known.get(written.raw) if written is not None else None


def build_names(merged: Merged, work: Work) -> Names:
    """Check conditions, templates and the time zone."""
    return Names(_conditions(merged, work), _templates(merged, work), _zone(merged, work))


def _zone(merged: Merged, work: Work) -> ZoneInfo | None:
    entry = merged.single.get("timezone")
    if entry is None:
        return None
    table = Entries(entry.key.place, (entry,), 0)
    form = validate(
        _ZoneForm,
        table,
        work,
        parent=entry.key.place,
        what="the configuration",
        literal=("timezone",),
    )
    return form.timezone if form else None


def _conditions(merged: Merged, work: Work) -> Mapping[str, Condition]:
    texts: dict[str, Scalar] = {}
    for entry in merged.conditions.values():
        name, value = entry.name, entry.value
        if not re.match(CONDITION_NAME_PATTERN, name) or name in _RESERVED:
            message = f"`{short(name)}` cannot be the name of a condition"
            remedy = "use small letters, digits and _, beginning with a letter, and no word of CEL"
            work.problems.append(entry.key.place.problem(message, remedy))
        elif not isinstance(value, Scalar) or not isinstance(value.value, str):
            raw = value.raw if isinstance(value, Scalar) else ""
            remedy = f'put it in quotes: "{short(raw)}"' if raw else "write a CEL condition"
            message = f"the condition `{short(name)}` must be text, found {value.kind}"
            work.problems.append(value.place.problem(message, remedy))
        else:
            texts[name] = value
    done, wrong = compile_conditions({name: node.raw for name, node in texts.items()})
    for name, error in wrong.items():
        object_to(error, texts[name], name, work)
    missing = compile_conditions(dict.fromkeys(merged.conditions.keys() - done.keys(), "true"))[0]
    return {**done, **missing}


def _templates(merged: Merged, work: Work) -> Mapping[str, Entry]:
    for entry in merged.templates.values():
        what = f"the template `{short(entry.name)}`"
        if not re.match(NAME_PATTERN, entry.name):
            message = f"`{short(entry.name)}` cannot be the name of a template"
            remedy = "use small letters, digits, _ and -, beginning with a letter"
            work.problems.append(entry.key.place.problem(message, remedy))
        if not isinstance(entry.value, Entries):
            message = f"{what} must be a mapping, found {entry.value.kind}"
            work.problems.append(
                entry.value.place.problem(message, "write `title: …` and `body: …` below it")
            )
            continue
        validate(
            TemplateForm,
            entry.value,
            work,
            parent=entry.key.place,
            what=what,
            literal=("title", "body", "format"),
        )
    return merged.templates


def warn_of_unused(merged: Merged, names: Names, used: Collection[str], work: Work) -> None:
    """Check the templates that no rule names, and warn of them; likewise of conditions that are
    not among the `used` ones.
    """
    if not merged.complete:
        return
    for name, entry in merged.templates.items():
        if name in names.used:
            continue
        if isinstance(entry.value, Entries):
            words_of(entry.value, work, many="events" in _sources(entry.value))
        work.warnings.append(
            entry.key.place.problem(
                f"no rule names the template `{short(name)}`", "name it in a rule, or remove it"
            )
        )
    for name, entry in merged.conditions.items():
        if name not in used:
            work.warnings.append(
                entry.key.place.problem(
                    f"nothing names the condition `{short(name)}`",
                    f"write conditions.{short(name)} in a `where`, or remove it",
                )
            )


def _sources(table: Entries) -> str:
    return " ".join(entry.value.raw for entry in table if isinstance(entry.value, Scalar))
