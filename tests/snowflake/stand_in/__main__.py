"""Starts the stand-in: `python -m stand_in --password ME=secret`; it prints its port."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time

import uvicorn

from . import options
from .service import Service


def main() -> None:
    """Serves until the process is ended, or orphaned."""
    given = options.parse()
    listener = _listen(given.port)
    # uvicorn says at `error` that a connection was closed without an answer, which is what faults are for.
    config = uvicorn.Config(Service(given).app(), log_level="critical", access_log=False)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def _listen(port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the socket names its protocol; 40 ms per statement otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _end_with_parent() -> None:
    """A test that is killed cannot end what it has started."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


main()
