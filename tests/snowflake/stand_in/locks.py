"""Locks on tables.

In Snowflake an UPDATE, DELETE or MERGE locks its table until the transaction ends, others wait for LOCK_TIMEOUT and then fail
with 000625; DuckDB fails a conflict at once. So writers wait here. A transaction whose client is gone would hold its locks
for ever: Snowflake ends one that is idle for five minutes while it blocks another one, and so does this, after a shorter time.
The session of such a transaction is forgotten, so that a client which was only slow cannot go on outside of a transaction.
"""

from __future__ import annotations

import asyncio
import time

from . import errors
from .journal import Journal
from .sessions import Session
from .statement import TableKey

_LOOK_EVERY = 0.01


class Locks:
    """Who writes which table."""

    def __init__(self, journal: Journal, idle_seconds: float) -> None:
        self._journal = journal
        self._idle_seconds = idle_seconds
        self._holders: dict[TableKey, Session] = {}
        #: When the lock of a table was given up last.
        self._released: dict[TableKey, float] = {}

    async def take(self, table: TableKey, session: Session, patience: float) -> None:
        """Waits until the table is this session's; raises 000625."""
        deadline = time.monotonic() + patience
        try:
            while (holder := self._holder(table)) not in (None, session):
                session.waits_for = holder
                if time.monotonic() > deadline or _is_deadlock(session):
                    raise errors.lock_timeout(".".join(table))
                self._end_if_idle(holder)
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            session.waits_for = None
        self._holders[table] = session

    def release(self, session: Session) -> None:
        """Gives up all locks of a session."""
        for table in [table for table, holder in self._holders.items() if holder is session]:
            del self._holders[table]
            self._released[table] = time.monotonic()

    def released_since(self, table: TableKey, since: float) -> bool:
        """Whether another session may have written the table after this time."""
        return self._released.get(table, 0.0) > since

    def _holder(self, table: TableKey) -> Session | None:
        holder = self._holders.get(table)
        if holder is not None and holder.gone is not None:
            self.release(holder)
            return None
        return holder

    def _end_if_idle(self, holder: Session | None) -> None:
        if holder is not None and holder.idle_for() > self._idle_seconds:
            self._journal.event("DETACHED", holder)
            holder.end(errors.session_gone())


def _is_deadlock(session: Session) -> bool:
    other = session.waits_for
    seen: set[int] = set()
    while other is not None and other.number not in seen:
        if other is session:
            return True
        seen.add(other.number)
        other = other.waits_for
    return False
