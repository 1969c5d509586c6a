"""The command line: commands, their options, and their output.

Rules: the topmost layer, and thin. One file per group of commands; each parses its options, has
lower layers do the work, and prints the result. Results go to stdout, everything else to stderr; a
user's mistake never shows a traceback, and no output contains a secret.

Importing this package costs nothing: each worker process for Apprise imports the program's main
module again, and must not bring the whole daemon with it.
"""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watcher.cli.application import app

__all__ = ["app", "main"]


def __getattr__(name: str) -> Any:
    if name == "app":
        from watcher.cli.application import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run the command that `sys.argv` names; always ends with SystemExit."""
    # PID 1 of a container does not receive a SIGTERM without a handler, not even during startup.
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show must not stop the command.
            stream.reconfigure(errors="backslashreplace")
    try:
        from watcher.cli.application import app

        app(prog_name="inbox-watcher")
    except KeyboardInterrupt:
        # Stopped before anything began: for the daemon that is a stop like any other.
        sys.exit(0 if "run" in sys.argv[1:2] else 1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat SIGTERM as Ctrl-C; a running daemon has its own handlers."""
    raise KeyboardInterrupt
