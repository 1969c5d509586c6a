"""The one import of uvicorn, without its command line: click and more, a megabyte in every daemon."""

from __future__ import annotations

from watcher.without import without

with without("uvicorn.main"):
    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
    from uvicorn.server import Server

__all__ = ["Config", "H11Protocol", "RequestResponseCycle", "Server"]
