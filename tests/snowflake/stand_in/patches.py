"""What fakesnow 0.12.1 does otherwise than Snowflake, or not at all, and is mended in its own modules."""

from __future__ import annotations

import shutil

import fakesnow.arrow
import fakesnow.info_schema
import fakesnow.transforms
import pyarrow as pa
from fakesnow.transforms import stage
from sqlglot import Expr, exp

_INTEGERS = (
    exp.DataType.Type.INT,
    exp.DataType.Type.BIGINT,
    exp.DataType.Type.SMALLINT,
    exp.DataType.Type.TINYINT,
)

_table_comment = fakesnow.info_schema.insert_table_comment_sql
_text_lengths = fakesnow.info_schema.insert_text_lengths_sql
_timestamp_to_struct = fakesnow.arrow.timestamp_to_sf_struct


def integer_precision(expression: Expr) -> Expr:
    """Every integer type of Snowflake is NUMBER(38,0). fakesnow makes it a BIGINT, which holds 18 digits."""
    if not isinstance(expression, exp.DataType):
        return expression
    bare_decimal = expression.this == exp.DataType.Type.DECIMAL and not expression.expressions
    if not bare_decimal and expression.this not in _INTEGERS:
        return expression
    return exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb")


def merge(expression: Expr) -> list[Expr]:
    """MERGE stays one statement: DuckDB has its own. fakesnow's, of 1.4 and before, was four, each committed by itself,
    failed inside of a transaction, and updated a row twice where Snowflake refuses."""
    return [expression]


def timestamp_to_sf_struct(ts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """NULL among timestamps: Arrow readers refuse a null in a child field that is declared without."""
    column = ts.combine_chunks() if isinstance(ts, pa.ChunkedArray) else ts
    if column.null_count == 0:
        return _timestamp_to_struct(column)
    full = _timestamp_to_struct(column.fill_null(pa.scalar(0, column.type)))
    children = [full.field(index) for index in range(full.type.num_fields)]
    return pa.StructArray.from_arrays(children, fields=list(full.type), mask=column.is_null())


def insert_table_comment_sql(catalog: str, schema: str, table: str, comment: str) -> str:
    """fakesnow writes names and comments between quotes as they are; one with a quote in it breaks the statement."""
    return _table_comment(catalog, _escaped(schema), _escaped(table), _escaped(comment))


def insert_text_lengths_sql(catalog: str, schema: str, table: str, text_lengths: list[tuple[str, int]]) -> str:
    """As above."""
    columns = [(_escaped(name), length) for name, length in text_lengths]
    return _text_lengths(catalog, _escaped(schema), _escaped(table), columns)


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def apply() -> None:
    """Puts the functions above in the place of fakesnow's."""
    # A folder for stages, which fakesnow makes when it is imported and leaves behind when it is killed.
    shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)
    fakesnow.transforms.integer_precision = integer_precision
    fakesnow.transforms.merge = merge
    fakesnow.info_schema.insert_table_comment_sql = insert_table_comment_sql
    fakesnow.info_schema.insert_text_lengths_sql = insert_text_lengths_sql
    fakesnow.arrow.timestamp_to_sf_struct = timestamp_to_sf_struct
