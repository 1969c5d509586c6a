"""What `--help` prints: plain text that fits into a terminal and into a pipe.

Rules: reads what commands declare, formats it, and knows none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["COMMANDS", "usage_pieces", "write_command", "write_group"]

COLUMN = 30
"""Columns of the left side, at most."""

COMMANDS = "Commands"
"""The title of commands that belong to no group."""


def write_command(command: Any, ctx: Any, formatter: Any) -> None:
    """Write a command's help: usage, purpose, arguments, options, examples."""
    _write_head(command, ctx, formatter)
    _write_parameters(command, ctx, formatter)
    _write_examples(command.epilog, formatter)


def write_group(group: Any, ctx: Any, formatter: Any) -> None:
    """Write the help of commands below one name, in the order and the groups of their declaration."""
    _write_head(group, ctx, formatter)
    purposes = list(group.purposes(ctx))
    for title in dict.fromkeys(panel for panel, _, _ in purposes):
        rows = [(name, _first_sentence(text)) for panel, name, text in purposes if panel == title]
        _write_rows(title, rows, formatter)
    _write_parameters(group, ctx, formatter)
    _write_examples(group.epilog, formatter)


def usage_pieces(command: Any, ctx: Any) -> list[str]:
    """Return what stands behind the command in the usage line: [OPTIONS] NAME [MORE]..."""
    pieces = ["[OPTIONS]"]
    for one in command.get_params(ctx):
        if one.param_type_name == "argument":
            name = one.metavar or one.name.upper()
            pieces.append((name if one.required else f"[{name}]") + _many(one))
    return pieces


def _many(parameter: Any) -> str:
    return "..." if parameter.nargs != 1 else ""


def _write_head(command: Any, ctx: Any, formatter: Any) -> None:
    command.format_usage(ctx, formatter)
    for paragraph in (command.help or "").split("\n\n"):
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(" ".join(paragraph.split()))


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    parameters = [one for one in command.get_params(ctx) if not getattr(one, "hidden", False)]
    arguments = [one for one in parameters if one.param_type_name == "argument"]
    rows = [((one.metavar or one.name.upper()) + _many(one), one.help or "") for one in arguments]
    _write_rows("Arguments", rows, formatter)
    options = [one for one in parameters if one.param_type_name == "option"]
    panels = dict.fromkeys(("Options", *(one.rich_help_panel or "Options" for one in options)))
    for title in panels:
        rows = [_option(one, ctx) for one in options if (one.rich_help_panel or "Options") == title]
        _write_rows(title, rows, formatter)


def _option(option: Any, ctx: Any) -> tuple[str, str]:
    """Return an option's names with its value, and what it is for."""
    names = sorted(option.opts, key=len)
    if option.secondary_opts:
        names = [" / ".join((*names, *option.secondary_opts))]
    value = "" if option.is_flag or option.count else f" {_value(option, ctx)}"
    return ", ".join(names) + value, " ".join(filter(None, (option.help, _default(option))))


def _value(option: Any, ctx: Any) -> str:
    if option.metavar:
        return str(option.metavar)
    shown = option.display_type(ctx).strip("<>")
    return shown if "|" in shown else str(shown.upper())


def _default(option: Any) -> str:
    """Return the default in brackets, as it would be written."""
    if option.required:
        return "[required]"
    default = option.default
    if not option.show_default or callable(default) or default in (None, False, (), []):
        return ""
    if option.secondary_opts:
        default = option.opts[0].lstrip("-")
    return f"[default: {getattr(default, 'value', default)}]"


def _write_rows(title: str, rows: Sequence[tuple[str, str]], formatter: Any) -> None:
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows, col_max=COLUMN)


def _first_sentence(text: str | None) -> str:
    words = " ".join((text or "").split("\n\n")[0].split())
    return words.removesuffix(".")


def _write_examples(epilog: str | None, formatter: Any) -> None:
    """Write the epilog line by line: what is to be copied is not wrapped."""
    lines: Iterable[str] = (epilog or "").split("\n")
    if epilog:
        formatter.write_paragraph()
        for line in lines:
            formatter.write(f"{line}\n")
