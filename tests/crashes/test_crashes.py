"""A short trial: the real program on real sockets, killed at many moments of its life. The long
one is `python -m tests.crashes`.
"""

from __future__ import annotations

from pathlib import Path

from .trial import attempt


def test_killed_at_many_moments(tmp_path: Path) -> None:
    account = attempt(tmp_path, kills=11, seed=4, conversations=20, lasting=False)
    assert account.wrong == []
    assert sum(account.kills.values()) >= 10  # one stop may be over before the blow
    assert account.facts["changes"] > 50
    assert account.facts["repeats"] > 0
    assert account.facts["dead"] > 5
