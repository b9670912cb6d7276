"""The options of the stand-in."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Options:
    """What a stand-in knows and allows."""

    port: int
    passwords: dict[str, str]
    public_keys: dict[str, bytes]
    #: Known names, in upper case; None: every name is known, databases and schemas are created by a login.
    warehouses: set[str] | None
    databases: set[str] | None
    schemas: set[str] | None
    roles: set[str] | None
    #: Statement kinds that a role must not run.
    denied: dict[str, set[str]]
    session_seconds: float
    master_seconds: float
    synchronous_seconds: float
    idle_seconds: float


def parse() -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="stand_in", description="A stand-in for Snowflake, for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; it is printed")
    parser.add_argument("--password", action="append", default=[], metavar="USER=PASSWORD")
    parser.add_argument("--public-key", action="append", default=[], metavar="USER=FILE")
    for name in ("warehouses", "databases", "schemas", "roles"):
        parser.add_argument(f"--{name}", metavar="A,B", help="known ones; without the option, all are")
    parser.add_argument("--deny", action="append", default=[], metavar="ROLE:KIND", help='such as "LOADER:CREATE TABLE"')
    parser.add_argument("--session-seconds", type=float, default=3600, help="life of a session token")
    parser.add_argument("--master-seconds", type=float, default=14400, help="life of a master token")
    parser.add_argument("--synchronous-seconds", type=float, default=45, help="then a statement is to be polled")
    parser.add_argument("--idle-seconds", type=float, default=2, help="then a transaction that blocks others is ended")
    given = parser.parse_args()
    return Options(
        port=given.port,
        passwords={user.upper(): password for user, password in _pairs(given.password)},
        public_keys={user.upper(): Path(file).read_bytes() for user, file in _pairs(given.public_key)},
        warehouses=_names(given.warehouses),
        databases=_names(given.databases),
        schemas=_names(given.schemas),
        roles=_names(given.roles),
        denied=_denied(given.deny),
        session_seconds=given.session_seconds,
        master_seconds=given.master_seconds,
        synchronous_seconds=given.synchronous_seconds,
        idle_seconds=given.idle_seconds,
    )


def _pairs(given: list[str]) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in given]
    return [(name, value) for name, _, value in pairs]


def _names(given: str | None) -> set[str] | None:
    return None if given is None else {name.strip().upper() for name in given.split(",") if name.strip()}


def _denied(given: list[str]) -> dict[str, set[str]]:
    denied: dict[str, set[str]] = {}
    for rule in given:
        role, _, kind = rule.partition(":")
        denied.setdefault(role.upper(), set()).add(kind.upper())
    return denied
