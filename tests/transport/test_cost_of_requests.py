"""What a request over an open connection costs: counted calls, no clock."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from tests.support.asking import LISTING, Clock, connection
from tests.support.loopback import answer, serving
from watcher.transport import Transport


async def test_a_request_looks_for_no_missing_package_and_not_up_who_the_peer_is() -> None:
    counted: Counter[str] = Counter()

    def saw(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call":
            counted[argument.__name__] += 1
        elif event == "call":
            counted[frame.f_code.co_name] += 1

    async with serving(answer()) as served, Transport(Clock()) as transport:
        client = transport.source(connection(served.url))
        await client.send(LISTING, urgent=True)  # connects
        before = sys.getprofile()
        sys.setprofile(saw)
        try:
            for _ in range(10):
                await client.send(LISTING, urgent=True)
        finally:
            sys.setprofile(before)
        assert served.connections == 1
    assert counted["send"] >= 10
    assert (counted["getpeername"], counted["_find_spec"]) == (0, 0)
    # The loop is told once that the connection is read, and nobody asks the system besides.
    assert [counted[name] for name in ("register", "modify", "unregister")] == [0, 0, 0]


async def test_a_connection_that_the_other_side_has_closed_is_not_used_again() -> None:
    async def once(_served: Any, writer: Any) -> None:
        writer.write(answer())
        await writer.drain()
        writer.close()

    async with serving(once) as served, Transport(Clock()) as transport:
        client = transport.source(connection(served.url))
        for _ in range(3):
            assert (await client.send(LISTING, urgent=True)).status == 200
            await served.wait(lambda: served.open == 0)
        assert served.connections == len(served.requests) == 3
