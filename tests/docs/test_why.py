"""The page about `why --not-told` names every kind of finding, and no other."""

from __future__ import annotations

import re
from typing import get_args

from tests.docs.pages import read, rows
from watcher.explain.question import FindingKind


def test_every_kind_of_finding_is_on_the_page() -> None:
    kinds = {one for each in get_args(FindingKind) for one in get_args(each) or (each,)}
    told = [re.findall(r"`([a-z-]+)`", cells[0]) for cells in rows(read("why.md"))]
    assert {one for each in told for one in each} - {"kind"} == kinds
