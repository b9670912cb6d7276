"""Writes the fixtures beside it: values that serializers of other projects wrote, and what Tidegate makes of them.

python3 -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python generate.py
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from generator import (
    apicurio,
    avro,
    avro_types,
    bad,
    captures,
    connect_cases,
    json_schema,
    protobuf,
    protobuf_schemas,
    protobuf_types,
    protobuf_wire,
)

HERE = Path(__file__).parent


def write(name: str, cases: list[dict[str, Any]]) -> None:
    names = [case["name"] for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"{name}: {twice}"
    lines = [json.dumps(case, ensure_ascii=False) + "\n" for case in cases]
    (HERE / name).write_text("".join(lines), encoding="utf-8")
    print(f"{name}: {len(cases)} cases")


def compress(name: str, text: str) -> None:
    # Without a time, so that equal content is an equal file.
    (HERE / name).write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{name}: {text.count(chr(10))} lines")


def main() -> None:
    if sys.argv[1:2] == ["apicurio"]:
        write("apicurio.jsonl", apicurio.cases(*sys.argv[2:]))
        return
    write("avro.jsonl", avro.cases() + avro_types.cases())
    write(
        "protobuf.jsonl", protobuf.cases() + protobuf_schemas.cases() + protobuf_types.cases() + protobuf_wire.cases()
    )
    write("json_schema.jsonl", json_schema.cases())
    write("connect.jsonl", connect_cases.cases())
    write("bad.jsonl", bad.cases())
    for name, text in captures.files():
        compress(name, text)


if __name__ == "__main__":
    main()
