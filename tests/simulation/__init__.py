"""Deterministic simulation: the whole daemon for days, while everything goes wrong that can.

    python -m tests.simulation --days 1000 --seeds 200 --seed 1 --jobs 2
    python -m tests.simulation --seed 17 --trace        (one seed again, with its timeline)

Rules: a run is a function of its seed. All chance is drawn from it (`plan`), time is virtual and
waits for threads (`loop`); the same seed gives the same event log.

`world` lets things happen at the providers, `weather` fails their answers, `inbox` fails as a
receiver, `life` kills the process around any call of the store; `run` puts them together, and
`oracle` compares the event log with what happened. What counts as wrong: docs/testing.md.
"""
