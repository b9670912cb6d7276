"""Sessions: their tokens, which expire, and their transactions, which hold locks."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection

from . import errors
from .options import Options

#: Answers that a session remembers by request id. Snowflake's own memory is longer; clients retry at once.
_REMEMBERED = 100


@dataclass
class Session:
    """One login."""

    number: int
    user: str
    role: str
    warehouse: str | None
    link: FakeSnowflakeConnection
    token: str
    master: str
    token_until: float
    master_until: float
    in_transaction: bool = False
    #: An error has ended what the transaction has done so far; only ROLLBACK makes sense now.
    failed: bool = False
    #: Why there is no session any more.
    gone: errors.SessionRefusal | None = None
    running: int = 0
    last_used: float = field(default_factory=time.monotonic)
    #: A session runs one statement after the other.
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: When its open transaction began to see the tables as they were then.
    snapshot: float = 0.0
    #: What its open transaction has written: statements and their values.
    written: list[tuple[str, list[list[Any]]]] = field(default_factory=list)
    #: The session whose lock this one waits for.
    waits_for: Session | None = None
    #: Parameters of the login, such as QUERY_TAG.
    parameters: dict[str, Any] = field(default_factory=dict)
    answers: OrderedDict[str, asyncio.Task[Any]] = field(default_factory=OrderedDict)

    def end(self, reason: errors.SessionRefusal) -> None:
        """Forgets the session; its transaction is rolled back."""
        self.gone = reason
        self.roll_back()

    def roll_back(self) -> None:
        if self.in_transaction:
            try:
                self.link._duck_conn.rollback()
            except duckdb.Error:
                pass  # an error had rolled it back before
        self.in_transaction = False
        self.failed = False

    def idle_for(self) -> float:
        """Seconds without a request."""
        return 0.0 if self.running else time.monotonic() - self.last_used

    def remember(self, request_id: str, answer: asyncio.Task[Any]) -> None:
        self.answers[request_id] = answer
        while len(self.answers) > _REMEMBERED:
            self.answers.popitem(last=False)


class Sessions:
    """All sessions, by their tokens."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._by_token: dict[str, Session] = {}
        self._by_master: dict[str, Session] = {}
        self._count = 0

    def open(self, user: str, role: str, warehouse: str | None, link: FakeSnowflakeConnection) -> Session:
        self._count += 1
        session = Session(self._count, user, role, warehouse, link, "", "", 0, 0)
        self._issue(session)
        return session

    def _issue(self, session: Session) -> None:
        now = time.monotonic()
        session.token, session.master = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session.token_until = now + self._options.session_seconds
        session.master_until = now + self._options.master_seconds
        self._by_token[session.token] = session
        self._by_master[session.master] = session

    def by_token(self, token: str) -> Session:
        """The session of a token; raises what is wrong with it."""
        session = self._by_token.get(token)
        if session is None:
            raise errors.SessionRefusal("390104", "User must login again to access the service.")
        if session.gone is not None:
            raise session.gone
        if token != session.token or time.monotonic() > session.token_until:
            raise errors.session_expired()
        return session

    def renew(self, master: str) -> Session:
        """New tokens for the same session, with its transaction and temporary tables."""
        session = self._by_master.get(master)
        if session is None:
            raise errors.SessionRefusal("390104", "User must login again to access the service.")
        if session.gone is not None:
            raise session.gone
        if master != session.master or time.monotonic() > session.master_until:
            session.end(errors.master_expired())
            raise errors.master_expired()
        self._issue(session)
        return session

    def expire(self, session: Session, *, master: bool) -> errors.SessionRefusal:
        """Makes the tokens of a session expire now."""
        session.token_until = 0
        if not master:
            return errors.session_expired()
        session.master_until = 0
        session.end(errors.master_expired())
        return errors.master_expired()

    def end_all(self) -> int:
        """Forgets all sessions, as a service does that starts anew."""
        living = [session for session in self._by_token.values() if session.gone is None]
        for session in living:
            session.end(errors.session_gone())
        return len(living)
