"""What the watcher costs, and how fast it is: `python -m tests.bench` (docs/performance.md).

A figure is a module with `FIGURES` that is named in `__main__.MODULES`; what one must know to write one
stands in `figures`. The processes of a bench are in `processes`: `Service` (a cheap Chatwoot and receiver
of webhooks), `Watcher` (the real program), `Bare` (the same requests with nothing around them). `rounds`
runs these side by side. Seconds are CPU wherever that can be; a baseline runs in the same round. Nothing
here is a test: what must not get worse is counted, not timed, in the `test_…` files beside.
"""
