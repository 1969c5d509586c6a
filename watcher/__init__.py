"""inbox-watcher: watches shared inboxes from outside and tells what changed.

The architecture in one paragraph. A *provider* (pure) turns a position into a request and a
response into a page of observations. The *poller* is the only code that fetches; it hands each
page to the *pipeline* (pure), which merges it into what is known, diffs, makes events and routes
them by the *rules* (pure). One transaction of the *store* keeps snapshots, events, deliveries and
cursor together. The *dispatcher* is the only code that sends; the pipeline settles what came of
it. The *daemon* puts the pieces together; nothing is decided where I/O happens.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
