"""The classes of commands: options that stand on both sides of a name, and how failures end.

Rules: a command's class decides which shared options it takes; its own module declares the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from watcher.cli.console import MISUSED, Console, reporting_errors
from watcher.cli.help import COMMANDS, usage_pieces, write_command, write_group
from watcher.cli.options import Invocation, LogFormat, LogLevel, invocation

__all__ = [
    "CommandGroup",
    "ConfiguredCommand",
    "ListGroup",
    "ReportingCommand",
    "RootGroup",
    "StoreCommand",
]

_PANEL = "Options before or after the command's name"


def _declared(function: Callable[..., None]) -> tuple[Any, ...]:
    """Return the options that a function's signature declares."""
    apart = typer.Typer(add_completion=False)
    apart.command()(function)
    return tuple(typer.main.get_command(apart).params)


def _take_config(ctx: typer.Context, value: list[Path] | None) -> None:
    invocation(ctx).config += value or []


def _take_store(ctx: typer.Context, value: Path | None) -> None:
    invocation(ctx).store = value or invocation(ctx).store


def _take_level(ctx: typer.Context, value: LogLevel | None) -> None:
    invocation(ctx).log_level = value or invocation(ctx).log_level


def _take_format(ctx: typer.Context, value: LogFormat | None) -> None:
    invocation(ctx).log_format = value or invocation(ctx).log_format


def _logged(
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            "--log-level",
            callback=_take_level,
            expose_value=False,
            show_default=False,
            rich_help_panel=_PANEL,
            help="How much is logged on stderr; debug shows the traceback of an internal error.",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option(
            "--log-format",
            callback=_take_format,
            expose_value=False,
            show_default=False,
            rich_help_panel=_PANEL,
            help="What log lines look like; text on a terminal and json elsewhere.",
        ),
    ] = None,
) -> None: ...


def _configured(
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config",
            "-c",
            callback=_take_config,
            expose_value=False,
            metavar="PATH",
            show_default=False,
            rich_help_panel=_PANEL,
            help="A configuration file or directory; repeatable. Without it:"
            " $INBOX_WATCHER_CONFIG, else ./rules.",
        ),
    ] = None,
) -> None: ...


def _stored(
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            callback=_take_store,
            expose_value=False,
            metavar="PATH",
            show_default=False,
            rich_help_panel=_PANEL,
            help="The store, and with it the daemon, where the configuration cannot be read.",
        ),
    ] = None,
) -> None: ...


_GUESSING = ("install_completion", "show_completion")

_LOGGED, _CONFIGURED, _STORED = (_declared(one) for one in (_logged, _configured, _stored))


def _lean(option: Any) -> Any:
    """Have an option take texts, paths and what was not given as they are. Typer converts all of them with
    pydantic, whose import costs more than all that many a command does.
    """
    if "process_value" in vars(option):  # shared by several commands
        return option
    convert = option.process_value
    written: Any = getattr(option, "type_descriptor", None)
    annotation = getattr(written, "annotation", None)
    kind: Any = next(iter(get_args(annotation)), annotation)
    plain = kind in (str, Path) and written.parameter_info.parser is None

    def process(ctx: Any, value: Any) -> Any:
        if value is None and not option.required:
            value = () if option.multiple or option.nargs == -1 else None
        elif plain and isinstance(value, str):
            value = kind(value)
        elif plain and value and isinstance(value, (list, tuple)):
            value = [kind(one) for one in value]
        elif value is None or value != option.default:
            return convert(ctx, value)
        return value if option.callback is None else option.callback(ctx, option, value)

    option.process_value = process
    return option


class ReportingCommand(TyperCommand):
    """A command whose failures are reported in plain text, with an exit status."""

    shared: tuple[Any, ...] = _LOGGED

    def __init__(self, *args: Any, params: list[Any] | None = None, **named: Any) -> None:
        super().__init__(*args, params=[*(params or ()), *self.shared], **named)

    def get_params(self, ctx: Any) -> list[Any]:
        return [_lean(one) for one in super().get_params(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_command(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return usage_pieces(self, ctx)

    def invoke(self, ctx: Any) -> Any:
        if invocation(ctx).store is not None and self.shared[-1:] != _STORED:
            raise typer.BadParameter(f"--store is not an option of `{ctx.info_name}`")
        with reporting_errors(ctx.obj):
            return super().invoke(ctx)


class ConfiguredCommand(ReportingCommand):
    """A command that demands a valid configuration."""

    shared = (*_CONFIGURED, *_LOGGED)


class StoreCommand(ReportingCommand):
    """A command about a running daemon, or its store, whatever the configuration looks like."""

    shared = (*_CONFIGURED, *_LOGGED, *_STORED)


class CommandGroup(TyperGroup):
    """Commands below one name; the shared options may stand before theirs."""

    def purposes(self, ctx: Any) -> Iterator[tuple[str, str, str]]:
        """Yield the group, the name and the purpose of each command, in the order of the help."""
        for name in self.list_commands(ctx):
            command: Any = self.get_command(ctx, name)
            yield COMMANDS, name, command.help or ""

    def __init__(self, *args: Any, params: list[Any] | None = None, **named: Any) -> None:
        super().__init__(*args, params=[*(params or ()), *StoreCommand.shared], **named)

    def get_params(self, ctx: Any) -> list[Any]:
        return [_lean(one) for one in super().get_params(ctx)]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_group(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*usage_pieces(self, ctx), "COMMAND"]


class ListGroup(CommandGroup):
    """Verbs about one kind of thing, of which `list` need not be said."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        place = 0
        taking = {name for one in StoreCommand.shared for name in one.opts}
        while place < len(args) and args[place].partition("=")[0] in taking:
            place += 1 if "=" in args[place] else 2
        rest = args[place:]
        verb = bool(rest) and not rest[0].startswith("-")
        helped = bool(rest) and rest[0] in ctx.help_option_names
        # A shell that completes the next word may want a verb.
        if not (verb or helped) and (rest or not ctx.resilient_parsing):
            args = [*args[:place], "list", *rest]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        if not incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        unsaid = self.commands["list"]
        inner = unsaid.make_context("list", [], parent=ctx, resilient_parsing=True)
        return unsaid.shell_complete(inner, incomplete)


class RootGroup(CommandGroup):
    """The program itself: wrong usage is a line of cause and a line of remedy, as every error."""

    listing: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """The group and the purpose of each command, in the order of the help."""

    load: ClassVar[Callable[[str], Any]]
    """Imports a command of the listing and returns it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        # Typer suggests names from here.
        self.commands: dict[str, Any] = dict.fromkeys(self.listing)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.listing)

    def get_command(self, ctx: Any, name: str) -> Any:
        if name in self.listing and self.commands[name] is None:
            self.commands[name] = type(self).load(name)
        return self.commands.get(name)

    def purposes(self, ctx: Any) -> Iterator[tuple[str, str, str]]:
        for name, (panel, purpose) in self.listing.items():
            yield panel, name, purpose

    def make_context(self, *args: Any, **named: Any) -> Any:
        with _reporting_usage():
            return super().make_context(*args, **named)

    def invoke(self, ctx: Any) -> Any:
        with _reporting_usage():
            return super().invoke(ctx)

    def get_params(self, ctx: Any) -> list[Any]:
        # Typer's own options of completion guess the shell from the processes above, and guess wrong.
        return [one for one in super().get_params(ctx) if one.name not in _GUESSING]


@contextmanager
def _reporting_usage() -> Iterator[None]:
    """Report wrong usage of a command in two lines, and exit with 2."""
    try:
        yield
    except typer.TyperException as wrong:
        ctx, message = getattr(wrong, "ctx", None), getattr(wrong, "format_message", None)
        if message is None:
            raise
        path = ctx.command_path if ctx is not None else "inbox-watcher"
        Console(Invocation()).error(
            message().removeprefix("Invalid value: "), f"`{path} --help` shows how it is used"
        )
        raise typer.Exit(MISUSED) from None
