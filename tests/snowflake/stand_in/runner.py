"""Runs the statements of sessions: who may, what waits for whom, what a transaction becomes."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from fakesnow.converter import from_binding
from sqlglot import Expr, exp
from starlette.requests import Request

from . import stages
from .engine import Engine, Result
from .errors import Refusal
from .locks import Locks
from .login import known
from .options import Options
from .sessions import Session
from .stages import Stages
from .statement import CONTROL, DML, Statement, TableKey, parse

#: Snowflake's defaults, in seconds.
_LOCK_TIMEOUT = 43_200.0
_STATEMENT_TIMEOUT = 172_800.0

_LOOK_EVERY = 0.02


@dataclass
class Work:
    """One statement that a session has sent."""

    session: Session
    sql: str
    bindings: dict[str, Any]
    parameters: dict[str, Any]
    #: The parsed statement, or why it cannot be parsed.
    statement: Statement | Refusal
    #: The statement as it is run, if it reads a file: with the rows of the file bound last.
    run_as: str
    #: The file in a stage that it reads.
    file: str | None
    #: Where the client reaches the service.
    origin: str
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def of(cls, session: Session, body: dict[str, Any], origin: str) -> Work:
        sql = body["sqlText"]
        run_as, file = stages.reading_bind(sql)
        try:
            statement: Statement | Refusal = stages.statement_of(sql) or parse(
                run_as, session.link.database, session.link.schema
            )
        except Exception as error:  # the parser's own errors are of many kinds
            statement = Refusal("001003", "42000", f"SQL compilation error: {error}")
        parameters = {**session.parameters, **(body.get("parameters") or {})}
        return cls(session, sql, body.get("bindings") or {}, parameters, statement, run_as, file, origin)

    @property
    def kind(self) -> str:
        return self.statement.kind if isinstance(self.statement, Statement) else "UNPARSED"

    @property
    def bind_count(self) -> int:
        return len(self.bindings)

    @property
    def tag(self) -> str | None:
        return self.parameters.get("QUERY_TAG")

    @property
    def goes_on_alone(self) -> bool:
        """Whether the statement runs on when its client is gone."""
        return str(self.parameters.get("ABORT_DETACHED_QUERY", "false")).lower() != "true"

    def seconds(self, parameter: str, default: float) -> float:
        return float(self.parameters.get(parameter) or default)

    def values(self) -> list[list[Any]]:
        """The bound values: one row, or many for an array bind."""
        columns = [self.bindings[str(number)] for number in range(1, len(self.bindings) + 1)]
        if not any(isinstance(column["value"], list) for column in columns):
            return [[_value(column) for column in columns]]
        unpacked = [[_value({**column, "value": value}) for value in column["value"]] for column in columns]
        return [list(row) for row in zip(*unpacked, strict=True)]


class Runner:
    """Runs work."""

    def __init__(self, options: Options, engine: Engine, locks: Locks, stages: Stages) -> None:
        self._options = options
        self._engine = engine
        self._locks = locks
        self._stages = stages
        # DuckDB fails what alters the catalogue at the same time; Snowflake lets one wait for the other.
        self._catalogue = asyncio.Lock()

    async def delay(self, seconds: float, work: Work | None, request: Request | None) -> None:
        """Waits before a statement. It is not run when its time is up, or its client is gone and wanted that."""
        if work is not None:
            work.session.running += 1
        try:
            await self._delay(seconds, work, request)
        finally:
            if work is not None:
                work.session.running -= 1
                work.session.last_used = time.monotonic()

    async def _delay(self, seconds: float, work: Work | None, request: Request | None) -> None:
        limit = work.seconds("STATEMENT_TIMEOUT_IN_SECONDS", _STATEMENT_TIMEOUT) if work is not None else seconds
        until = time.monotonic() + min(seconds, limit)
        while time.monotonic() < until:
            await asyncio.sleep(_LOOK_EVERY)
            if work is not None and request is not None and await _is_abandoned(work, request):
                raise Refusal("000604", "57014", "SQL execution canceled: the client is gone")
        if limit < seconds:
            raise Refusal("000630", "57014", f"Statement reached its statement timeout of {limit:.0f} second(s)")

    async def run(self, work: Work) -> Result | dict[str, Any]:
        """Runs a statement; raises `Refusal`. PUT answers with where to upload."""
        session = work.session
        session.running += 1
        try:
            async with session.turn:
                return await self._run(work)
        except Refusal:
            session.failed = session.in_transaction
            raise
        finally:
            session.running -= 1
            session.last_used = time.monotonic()
            if not session.in_transaction:
                self._locks.release(session)

    async def _run(self, work: Work) -> Result | dict[str, Any]:
        session, statement = work.session, work.statement
        if session.gone is not None:
            raise session.gone
        if isinstance(statement, Refusal):
            raise statement
        if session.failed and statement.kind != "ROLLBACK":
            # Snowflake would go on with the statements before; a client must not want that.
            raise Refusal("000603", "XX000", "the transaction has failed: the stand-in takes ROLLBACK only")
        self._check(session, statement)
        if statement.is_ddl and session.in_transaction:
            await self._control(session, "COMMIT")
            self._locks.release(session)
        if statement.kind in stages.KINDS:
            return self._stages.run(work.sql, work.origin)
        if statement.locks and statement.target is not None:
            await self._locks.take(statement.target, session, work.seconds("LOCK_TIMEOUT", _LOCK_TIMEOUT))
            await self._read_committed(session, statement.target)
        if statement.is_ddl:
            async with self._catalogue:
                return await self._execute(work, statement)
        return await self._execute(work, statement)

    async def _read_committed(self, session: Session, table: TableKey) -> None:
        """Shows a statement what was committed before it, as Snowflake does.

        DuckDB shows a transaction what was committed before it began: two MERGEs that waited for each other would both insert the
        same row. So the transaction begins again, and its earlier statements run again. Their tables are locked, so that they
        do the same."""
        if not session.in_transaction or not self._locks.released_since(table, session.snapshot):
            return
        for control, is_open in (
            (Statement(exp.Rollback(), "ROLLBACK", None), True),
            (Statement(exp.Transaction(), "BEGIN", None), False),
        ):
            await asyncio.to_thread(self._engine.run, session.link, control, None, is_open)
        session.snapshot = time.monotonic()
        for sql, rows in session.written:
            for params in rows:
                statement = parse(sql, session.link.database, session.link.schema)
                await asyncio.to_thread(self._engine.run, session.link, statement, params, True)

    async def _execute(self, work: Work, statement: Statement) -> Result:
        session = work.session
        if statement.asks_for_session:
            _answer_session_functions(statement.expression, session)
        if statement.kind == "USE" and self._use(session, statement.expression):
            statement = Statement(statement.expression, "NOTHING", None)
        result, rows = None, work.values()
        if work.file is not None:
            # Snowflake reads the file while the statement runs.
            read = await asyncio.to_thread(self._stages.rows, work.file)
            rows = [[*row, read] for row in rows]
        for params in rows:
            result = await asyncio.to_thread(
                self._engine.run, session.link, statement, params, session.in_transaction
            )
        if result is None:
            raise Refusal("000603", "XX000", "an array bind without rows")
        if statement.kind in CONTROL:
            session.in_transaction = statement.kind == "BEGIN"
            session.failed = False
            session.snapshot, session.written = time.monotonic(), []
        elif statement.kind in DML and session.in_transaction:
            session.written.append((work.run_as, rows))
        return result

    async def _control(self, session: Session, kind: str) -> None:
        statement = Statement(exp.Commit(), kind, None)
        await asyncio.to_thread(self._engine.run, session.link, statement, None, session.in_transaction)
        session.in_transaction = False

    def _check(self, session: Session, statement: Statement) -> None:
        if statement.kind in self._options.denied.get(session.role, set()):
            name = statement.target[-1] if statement.target else session.link.schema
            raise Refusal("003001", "42501", f"SQL access control error: Insufficient privileges to operate on '{name}'")
        if statement.needs_warehouse and session.warehouse is None:
            raise Refusal(
                "000606",
                "57P03",
                "No active warehouse selected in the current session.  Select an active warehouse with the "
                "'use warehouse' command.",
            )

    def _use(self, session: Session, expression: Expr) -> bool:
        """USE WAREHOUSE and USE ROLE, which fakesnow does not know."""
        kind = str(expression.args.get("kind") or "").upper()
        if kind not in {"WAREHOUSE", "ROLE"}:
            return False
        names = self._options.warehouses if kind == "WAREHOUSE" else self._options.roles
        name = known(expression.this.name, names)
        if name is None:
            raise Refusal("002043", "02000", "Object does not exist, or operation cannot be performed.")
        if kind == "WAREHOUSE":
            session.warehouse = name
        else:
            session.role = name
        return True


async def _is_abandoned(work: Work, request: Request) -> bool:
    return not work.goes_on_alone and await request.is_disconnected()


def _answer_session_functions(expression: Expr, session: Session) -> None:
    """Functions that ask for the session. A MERGE of them is parsed anew each time."""
    known_values = {
        "CURRENT_WAREHOUSE": session.warehouse,
        "CURRENT_ROLE": session.role,
        "CURRENT_SESSION": str(session.number),
    }
    for call in list(expression.find_all(exp.Func)):
        name = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).upper()
        if name in known_values:
            value = known_values[name]
            call.replace(exp.Null() if value is None else exp.Literal.string(value))


def _value(binding: dict[str, Any]) -> Any:
    return None if binding["value"] is None else from_binding(binding)
