"""What a statement is: its kind, the tables that it locks, whether it needs a warehouse."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from fakesnow.dialect import parse_one
from sqlglot import Expr, exp

TableKey = tuple[str, str, str]

DML = {"INSERT", "UPDATE", "DELETE", "MERGE"}
CONTROL = {"BEGIN", "COMMIT", "ROLLBACK"}

#: Statements that mean nothing to DuckDB, and that a sink may send.
_NOTHING = re.compile(
    r"\s*(ALTER\s+SESSION\s+(UN)?SET\s+(?!AUTOCOMMIT)|ALTER\s+WAREHOUSE\b|CREATE\s+(OR\s+REPLACE\s+)?WAREHOUSE\b)", re.I
)

_ASKS_FOR_SESSION = re.compile(r"CURRENT_(WAREHOUSE|ROLE|SESSION)", re.I)
_REPEATED = re.compile(r"\s*(MERGE|BEGIN|COMMIT|ROLLBACK)\b", re.I)

_KINDS: dict[type[Expr], str] = {
    exp.Insert: "INSERT",
    exp.Update: "UPDATE",
    exp.Delete: "DELETE",
    exp.Merge: "MERGE",
    exp.Transaction: "BEGIN",
    exp.Commit: "COMMIT",
    exp.Rollback: "ROLLBACK",
    exp.TruncateTable: "TRUNCATE TABLE",
    exp.Use: "USE",
    exp.Show: "SHOW",
    exp.Describe: "DESCRIBE",
}


@dataclass
class Statement:
    """One parsed statement."""

    expression: Expr
    kind: str
    #: The table that is written or altered.
    target: TableKey | None
    #: As it was sent.
    sql: str = ""

    @property
    def asks_for_session(self) -> bool:
        """Whether it may contain functions that ask for the session."""
        return _ASKS_FOR_SESSION.search(self.sql) is not None

    @property
    def is_ddl(self) -> bool:
        """Whether Snowflake commits the open transaction before it."""
        return self.kind.startswith(("CREATE", "ALTER", "DROP", "TRUNCATE")) and not self.is_temporary

    @property
    def is_temporary(self) -> bool:
        return isinstance(self.expression, exp.Create) and self.expression.find(exp.TemporaryProperty) is not None

    @property
    def locks(self) -> bool:
        """Whether it waits for other writers of its table. An INSERT does not, in Snowflake."""
        return self.kind in {"UPDATE", "DELETE", "MERGE", "ALTER TABLE", "DROP TABLE", "TRUNCATE TABLE"}

    @property
    def needs_warehouse(self) -> bool:
        reads = self.kind == "SELECT" and self.expression.find(exp.Table, exp.Lateral) is not None
        return reads or self.kind in DML


def parse(sql: str, database: str | None, schema: str | None) -> Statement:
    """Parses a statement; names without a database or schema are those of the session."""
    return _repeated(sql, database, schema) if _is_repeated(sql) else _parse(sql, database, schema)


def _is_repeated(sql: str) -> bool:
    return _REPEATED.match(sql) is not None and _ASKS_FOR_SESSION.search(sql) is None


@lru_cache(maxsize=10_000)
def _repeated(sql: str, database: str | None, schema: str | None) -> Statement:
    """A statement that a sink sends with every batch. Parsing it takes longer than running it; nothing changes what is parsed."""
    return _parse(sql, database, schema)


def _parse(sql: str, database: str | None, schema: str | None) -> Statement:
    if _NOTHING.match(sql):
        return Statement(exp.Command(this="ALTER"), "NOTHING", None)
    expression = parse_one(sql)
    return Statement(expression, _kind(expression), _target(expression, database or "", schema or ""), sql)


def _kind(expression: Expr) -> str:
    if kind := _KINDS.get(type(expression)):
        return kind
    if isinstance(expression, (exp.Create, exp.Alter, exp.Drop)):
        return f"{expression.key.upper()} {str(expression.args.get('kind') or '').upper()}".strip()
    if isinstance(expression, exp.Command):
        return str(expression.this).upper()
    return "SELECT" if isinstance(expression, exp.Query) else expression.key.upper()


def _target(expression: Expr, database: str, schema: str) -> TableKey | None:
    this = expression.args.get("this")
    if isinstance(expression, exp.TruncateTable):
        this = expression.expressions[0] if expression.expressions else None
    if isinstance(this, exp.Schema):
        this = this.this
    if not isinstance(this, exp.Table) or isinstance(expression, exp.Query):
        return None
    # DuckDB does not tell upper from lower case, even between quotes.
    names = this.catalog or database, this.db or schema, this.name
    return names[0].upper(), names[1].upper(), names[2].upper()
