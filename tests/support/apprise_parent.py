"""A daemon in small: sends one text through Apprise, says what came of it, lingers until told.

python apprise_parent.py DEADLINE URL… < /dev/null     # ends at once after sending
"""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime

import anyio
import anyio.to_thread

from watcher.daemon.steady_loop import SteadyLoop
from watcher.model import Event
from watcher.notify import Notice
from watcher.notify.apprise import AppriseNotifier


async def main(deadline: float, urls: list[str]) -> None:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC)
    notice = Notice(Event("e1", "conversation.unread", "sales", "c1", at, {}), "Title", "Body", at)
    limiter = anyio.CapacityLimiter(2)
    notifier = AppriseNotifier(lambda: urls, "team", limiter, deadline=deadline)
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM):  # taken, and nothing more
        result = await notifier.send(notice)
        said = {"outcome": result.outcome, "note": result.note, "apprise": "apprise" in sys.modules}
        print(json.dumps(said), flush=True)  # noqa: T201 - this is how it says so
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    anyio.run(main, float(sys.argv[1]), sys.argv[2:], backend_options={"loop_factory": SteadyLoop})
