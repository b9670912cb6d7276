"""What was asked of the stand-in, and what it answered."""

from __future__ import annotations

import time
from typing import Any

from .sessions import Session

_LONGEST_TEXT = 20_000


class Journal:
    """Entries in the order in which requests came. An entry is completed when its answer is known."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []

    def since(self, number: int) -> list[dict[str, Any]]:
        """The entries with a higher number."""
        return self._entries[max(number, 0) :]

    def statement(self, session: Session, sql: str, kind: str, binds: int, tag: str | None) -> dict[str, Any]:
        """Adds a statement. Values are bound, so that its text holds none."""
        entry = self.event(kind, session)
        entry.update(sql=sql[:_LONGEST_TEXT], binds=binds, tag=tag)
        return entry

    def event(self, kind: str, session: Session | None = None, user: str | None = None) -> dict[str, Any]:
        """Adds what is no statement: LOGIN, RENEW, CLOSE, DETACHED."""
        entry: dict[str, Any] = {
            "number": len(self._entries) + 1,
            "time": time.time(),
            "kind": kind,
            "session": session.number if session else None,
            "user": session.user if session else user,
            "role": session.role if session else None,
            "warehouse": session.warehouse if session else None,
            "in_transaction": session.in_transaction if session else False,
            "sql": None,
            "binds": 0,
            "tag": None,
            "fault": None,
            "code": None,
            "done": None,
        }
        self._entries.append(entry)
        return entry


def complete(entry: dict[str, Any], code: str | None) -> None:
    """Notes the answer: a code, or none for success."""
    entry["code"] = code
    entry["done"] = time.time()
