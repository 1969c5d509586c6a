"""The page of metrics says what there is: every series with its labels, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import first_cells, read, rows
from tests.metrics.test_metrics import daemon_of


async def names_with_labels(folder: Path) -> dict[str, set[str]]:
    async with daemon_of(folder, 3) as daemon:
        found = [*daemon.metrics.collect(), *await daemon.scrape.read()]
    return {
        one.name + ("_total" if one.type == "counter" else ""): {
            label for sample in one.samples for label in sample.labels if label != "le"
        }
        for one in found
    }


async def test_the_tables_have_every_series_and_no_other(tmp_path: Path) -> None:
    page, real = read("metrics.md"), await names_with_labels(tmp_path)
    told = [name for name in first_cells(page) if name.startswith("inbox_watcher_")]
    assert set(told) == real.keys()
    assert len(told) == len(real)


async def test_the_tables_have_the_labels(tmp_path: Path) -> None:
    real = await names_with_labels(tmp_path)
    for name, labels, *_rest in rows(read("metrics.md")):
        if name.startswith("`inbox_watcher_") and real[name.strip("`")]:
            assert {*labels.split(", ")} == real[name.strip("`")], name


def test_pages_name_metrics_that_exist() -> None:
    known = set(first_cells(read("metrics.md")))
    for page in ("operations.md", "guarantees.md", "rules.md", "providers.md"):
        assert {*re.findall(r"inbox_watcher_[a-z_]+", read(page))} <= known
