"""Runs statements on fakesnow, which translates them for DuckDB; what differs from Snowflake is mended on the way."""

from __future__ import annotations

import re
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import snowflake.connector.errors
from fakesnow.arrow import to_ipc, to_sf
from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.instance import FakeSnow
from fakesnow.rowtype import describe_as_rowtype
from fakesnow.statement_type import DML_TYPE_IDS, statement_type_id
from sqlglot import Expr, exp

from . import patches, refusals
from .errors import Refusal
from .statement import CONTROL, DML, Statement, TableKey

_DONE = "Statement executed successfully."
#: What is answered while a statement is translated.
_ASKS_THE_SESSION = re.compile(r"CURRENT_(WAREHOUSE|ROLE|SESSION)|\$[A-Z_]", re.I)
_ACTIONS = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted"}


@dataclass
class Result:
    """What a statement answers with."""

    rowtype: list[dict[str, Any]]
    table: pa.Table
    type_id: int
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def is_dml(self) -> bool:
        return self.type_id in DML_TYPE_IDS

    def texts(self) -> list[list[str | None]]:
        """The rows as text: Snowflake answers DML so."""
        columns = [column.to_pylist() for column in self.table.columns]
        return [[None if value is None else str(value) for value in row] for row in zip(*columns, strict=True)]

    def arrow(self) -> bytes:
        """The rows as an Arrow stream."""
        return bytes(to_ipc(to_sf(self.table, self.rowtype)))


class Engine:
    """One DuckDB in memory, with the databases of all sessions."""

    def __init__(self) -> None:
        patches.apply()
        self._fake = FakeSnow()
        #: It creates a database or schema in two steps: "is it there?", "then create it".
        self._connecting = threading.Lock()
        #: VARCHAR(n): DuckDB keeps no lengths, so they are noted here and checked after every write.
        self._lengths: dict[TableKey, dict[str, int]] = {}
        self._merges = _Merges()

    def connect(self, database: str | None, schema: str | None) -> FakeSnowflakeConnection:
        """A connection for one session. A database or schema that is not there is created."""
        with self._connecting:
            return self._fake.connect(database, schema)

    def run(self, link: FakeSnowflakeConnection, statement: Statement, params: Any, in_transaction: bool) -> Result:
        """Runs a statement; raises `Refusal`."""
        try:
            if statement.kind == "NOTHING":
                return _rows({"status": [_DONE]}, "text", statement_type_id(statement.expression))
            if statement.kind in CONTROL:
                return self._control(link, statement, in_transaction)
            if statement.kind in DML and statement.target in self._lengths and not in_transaction:
                return self._alone(link, statement, params)
            return self._run(link, statement, params)
        except duckdb.Error as error:
            raise refusals.from_duckdb(error, statement.expression) or _internal(error) from error
        except snowflake.connector.errors.Error as error:
            raise _translated(error, statement.expression) from error
        except NotImplementedError as error:
            raise _internal(error) from error

    def _control(self, link: FakeSnowflakeConnection, statement: Statement, in_transaction: bool) -> Result:
        duck = link._duck_conn
        if statement.kind == "BEGIN" and not in_transaction:
            duck.begin()
        if statement.kind == "COMMIT" and in_transaction:
            duck.commit()
        if statement.kind == "ROLLBACK" and in_transaction:
            duck.rollback()
        # BEGIN inside of a transaction, and COMMIT or ROLLBACK outside, change nothing and are no error.
        return _rows({"status": [_DONE]}, "text", statement_type_id(statement.expression))

    def _alone(self, link: FakeSnowflakeConnection, statement: Statement, params: Any) -> Result:
        link._duck_conn.begin()
        try:
            result = self._run(link, statement, params)
            link._duck_conn.commit()
            return result
        except Exception:
            link._duck_conn.rollback()
            raise

    def _run(self, link: FakeSnowflakeConnection, statement: Statement, params: Any) -> Result:
        cursor = link.cursor()
        expression = statement.expression
        cursor.check_db_and_schema(expression)
        refusals.strip_keys(expression)
        self._check_type_changes(link, statement)
        type_id = statement_type_id(expression)
        if statement.kind == "MERGE":
            result = self._merges.run(cursor, statement, params)
        else:
            result = _translate_and_run(cursor, expression, params, type_id)
        self._note_lengths(statement, cursor._last_transformed)
        if statement.kind in DML and statement.target is not None:
            self._check_lengths(link, statement.target)
        return result

    def _check_type_changes(self, link: FakeSnowflakeConnection, statement: Statement) -> None:
        if statement.kind != "ALTER TABLE" or statement.target is None:
            return
        for action in statement.expression.args.get("actions") or []:
            wanted = action.args.get("dtype") if isinstance(action, exp.AlterColumn) else None
            if not isinstance(wanted, exp.DataType):
                continue
            found = link._duck_conn.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE upper(table_catalog) = ?"
                " AND upper(table_schema) = ? AND upper(table_name) = ? AND upper(column_name) = ?",
                [*statement.target, action.name.upper()],
            ).fetchone()
            if found is not None:
                length = self._lengths.get(statement.target, {}).get(found[0].upper())
                refusals.check_type_change(found[0], found[1], length, wanted)

    def _note_lengths(self, statement: Statement, transformed: Expr | None) -> None:
        if statement.target is None or not statement.is_ddl:
            return
        if statement.kind == "DROP TABLE" or statement.expression.args.get("replace"):
            self._lengths.pop(statement.target, None)
        noted = self._lengths.get(statement.target, {})
        for name, length in (transformed.args.get("text_lengths") or []) if transformed is not None else []:
            noted[name.upper()] = int(length)
        limited = {name: length for name, length in noted.items() if length < refusals.LONGEST_TEXT}
        if limited:
            self._lengths[statement.target] = limited
        else:
            self._lengths.pop(statement.target, None)

    def _check_lengths(self, link: FakeSnowflakeConnection, target: TableKey) -> None:
        limits = self._lengths.get(target)
        if not limits:
            return
        table = ".".join(_quoted(name) for name in target)
        too_long = " OR ".join(f"length({_quoted(name)}) > {length}" for name, length in limits.items())
        if link._duck_conn.execute(f"SELECT 1 FROM {table} WHERE {too_long} LIMIT 1").fetchone():
            raise Refusal("100078", "22000", f"A string is too long and would be truncated, in table {table}")


class _Merges:
    """DuckDB's own MERGE: one statement, and two source rows for one target row are refused, as in Snowflake. It wants
    bare column names in SET, and says of every row what it did.

    A sink sends the same MERGE with every batch, and translating it takes longer than running it: so it is translated
    once."""

    _MOST = 10_000

    def __init__(self) -> None:
        self._translated: dict[tuple[str, str | None, str | None], tuple[str, list[str], int]] = {}

    def run(self, cursor: FakeSnowflakeCursor, statement: Statement, params: Any) -> Result:
        """Runs one."""
        key = (statement.sql, cursor._conn.database, cursor._conn.schema)
        known = self._translated.get(key)
        if known is None:
            known = _translated_merge(cursor, statement.expression, params)
            if len(self._translated) < self._MOST and not _ASKS_THE_SESSION.search(statement.sql):
                self._translated[key] = known
        sql, actions, type_id = known
        cursor._last_transformed = None
        done = Counter(action for (action,) in cursor._duck_conn.execute(sql, params).fetchall())
        counts = {f"number of rows {_ACTIONS[action]}": [done[action]] for action in _ACTIONS if action in actions}
        return _rows(counts, "fixed", type_id)


def _translated_merge(cursor: FakeSnowflakeCursor, expression: Expr, params: Any) -> tuple[str, list[str], int]:
    actions = [_action(when) for when in expression.args["whens"].expressions]
    type_id = statement_type_id(expression)
    transformed = cursor._transform(expression, params)
    for when in transformed.find_all(exp.When):
        if isinstance(when.args.get("then"), exp.Update):
            for assignment in when.args["then"].expressions:
                assignment.this.set("table", None)
    return f"{transformed.sql(dialect='duckdb')} RETURNING merge_action", actions, type_id


def _action(when: Expr) -> str:
    then = when.args.get("then")
    if isinstance(then, exp.Update):
        return "UPDATE"
    return "INSERT" if isinstance(then, exp.Insert) else "DELETE"


def _translate_and_run(cursor: FakeSnowflakeCursor, expression: Expr, params: Any, type_id: int) -> Result:
    for part in cursor._transform_explode(expression):
        transformed = cursor._transform(part, params)
        cursor._execute(transformed, params if transformed.find(exp.Placeholder) else None)
    rowtype = describe_as_rowtype(cursor._describe_last_sql())
    table = cursor._arrow_table if cursor._arrow_table is not None else pa.table({})
    return Result(rowtype, table, type_id)


def _rows(columns: dict[str, list[Any]], kind: str, type_id: int) -> Result:
    rowtype = [
        {"name": name, "database": "", "schema": "", "table": "", "nullable": True, "type": kind, "byteLength": None,
         "length": None, "scale": 0 if kind == "fixed" else None, "precision": 38 if kind == "fixed" else None,
         "collation": None}
        for name in columns
    ]
    return Result(rowtype, pa.table(columns), type_id)


def table_of(columns: dict[str, list[Any]], numbers: frozenset[str] | set[str] = frozenset()) -> Result:
    """A result that is no table's, as of LIST."""
    select = 4_096
    parts = [_rows({name: []}, "fixed" if name in numbers else "text", select).rowtype for name in columns]
    kinds = {name: pa.int64() if name in numbers else pa.string() for name in columns}
    table = pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
    return Result([column for part in parts for column in part], table, select)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _internal(error: Exception) -> Refusal:
    return Refusal("000603", "XX000", f"the stand-in cannot run this: {type(error).__name__}: {error}")


def _translated(error: snowflake.connector.errors.Error, expression: Expr) -> Refusal:
    """fakesnow's own translation of an error, or a better one."""
    cause = error.__cause__
    if isinstance(cause, duckdb.Error) and (refusal := refusals.from_duckdb(cause, expression)):
        return refusal
    return Refusal(f"{error.errno or 603:06d}", error.sqlstate or "XX000", str(error.raw_msg or error.msg))
