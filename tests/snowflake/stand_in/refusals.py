"""What DuckDB takes and Snowflake refuses, and DuckDB's errors in Snowflake's codes."""

from __future__ import annotations

import re

import duckdb
from sqlglot import Expr, exp

from .errors import Refusal

LONGEST_TEXT = 16_777_216

_TYPE_CHANGES = "ALTER COLUMN .. SET DATA TYPE"


def strip_keys(expression: Expr) -> None:
    """Snowflake notes PRIMARY KEY and UNIQUE and enforces neither; only the key's NOT NULL holds. A sink that relied on
    the key would pass here and write duplicates there."""
    if not isinstance(expression, exp.Create) or not isinstance(expression.this, exp.Schema):
        return
    schema = expression.this
    keys: set[str] = set()
    columns: list[Expr] = []
    for item in schema.expressions:
        constraint = item.expressions[0] if isinstance(item, exp.Constraint) and item.expressions else item
        if isinstance(constraint, exp.PrimaryKey):
            keys.update(column.name for column in constraint.expressions)
        elif not isinstance(constraint, (exp.UniqueColumnConstraint, exp.ForeignKey)):
            columns.append(item)
    for column in columns:
        if isinstance(column, exp.ColumnDef):
            _strip_column(column, column.name in keys)
    schema.set("expressions", columns)


def _strip_column(column: exp.ColumnDef, is_key: bool) -> None:
    kept: list[Expr] = []
    for constraint in column.constraints:
        if isinstance(constraint.kind, exp.PrimaryKeyColumnConstraint):
            is_key = True
        elif not isinstance(constraint.kind, exp.UniqueColumnConstraint):
            kept.append(constraint)
    if is_key and not any(isinstance(constraint.kind, exp.NotNullColumnConstraint) for constraint in kept):
        kept.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
    column.set("constraints", kept)


def check_type_change(name: str, before: str, length: int | None, wanted: exp.DataType) -> None:
    """Snowflake lengthens text, and raises a number's precision at the same scale. DuckDB casts anything to anything.

    `before` is DuckDB's type of the column, `length` the limit of a text."""
    if wanted.this in exp.DataType.TEXT_TYPES and before == "VARCHAR":
        new_length = int(wanted.expressions[0].name) if wanted.expressions else LONGEST_TEXT
        if new_length >= (length or LONGEST_TEXT):
            return
    if wanted.this == exp.DataType.Type.DECIMAL and before.startswith("DECIMAL"):
        old_precision, old_scale = (int(digits) for digits in re.findall(r"\d+", before))
        given = [int(parameter.name) for parameter in wanted.expressions] or [38]
        precision, scale = given[0], given[1] if len(given) > 1 else 0
        if scale == old_scale and precision >= old_precision:
            return
    shown = wanted.sql(dialect="snowflake")
    raise Refusal(
        "002108",
        "42601",
        f"SQL compilation error: cannot change column {name} from type {before} to {shown} ({_TYPE_CHANGES})",
    )


def from_duckdb(error: Exception, expression: Expr) -> Refusal | None:
    """The refusal that Snowflake answers with where DuckDB raises this."""
    message = str(error).split("\n")[0]
    if isinstance(error, duckdb.TransactionException):
        return Refusal("000625", "57014", f"Statement was aborted by a lock conflict: {message}")
    if isinstance(error, duckdb.ConstraintException) and "NOT NULL" in message:
        return Refusal("100072", "22000", f"NULL result in a non-nullable column: {message}")
    if "cannot affect the same target row more than once" in message:
        return Refusal("100090", "42P18", "Duplicate row detected during DML action")
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException)):
        return _unknown_name(message)
    if isinstance(error, (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)):
        return _bad_value(message, from_variant=expression.find(exp.Explode, exp.Anonymous) is not None)
    return None


def _unknown_name(message: str) -> Refusal:
    if "already exists" in message:
        is_column = "olumn with name" in message
        code = ("001430", "42601") if is_column else ("002002", "42710")
        return Refusal(*code, f"SQL compilation error: {message}")
    if "does not exist" in message and "olumn" not in message.split("does not exist")[0]:
        return Refusal("002003", "42S02", f"SQL compilation error: object does not exist or not authorized: {message}")
    return Refusal("000904", "42000", f"SQL compilation error: invalid identifier: {message}")


def _bad_value(message: str, from_variant: bool) -> Refusal:
    if "Malformed JSON" in message:
        return Refusal("100069", "22P02", f"Error parsing JSON: {message}")
    if from_variant:
        return Refusal("100071", "22000", f"Failed to cast variant value: {message}")
    if "out of range" in message and "field" not in message:
        return Refusal("100039", "22003", f"Numeric value is out of range: {message}")
    if "timestamp" in message.lower():
        return Refusal("100035", "22007", f"Timestamp is not recognized: {message}")
    if "date" in message.lower() or "time" in message.lower():
        return Refusal("100040", "22007", f"Date or time is not recognized: {message}")
    return Refusal("100038", "22018", f"Value is not recognized: {message}")
