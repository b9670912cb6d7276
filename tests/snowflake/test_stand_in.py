"""The stand-in answers as Snowflake does, seen through Snowflake's own client: `python -m unittest`."""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import snowflake.connector
from snowflake.connector.errors import Error

FLATTEN = "FROM LATERAL FLATTEN(INPUT => PARSE_JSON(?)) f"


class Server:
    """A stand-in, and what tests do with it."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "stand_in", "--password", "LOADER=secret", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]

    def connect(self, **options: Any) -> snowflake.connector.SnowflakeConnection:
        given = {"user": "loader", "password": "secret", "database": "D", "schema": "S", "warehouse": "W", **options}
        return snowflake.connector.connect(
            account="acme", host="127.0.0.1", port=self.port, protocol="http", paramstyle="qmark", login_timeout=5, **given
        )

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        if token is not None:
            request.add_header("Authorization", f'Snowflake Token="{token}"')
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.load(answer)

    def login(self, asked: str = "databaseName=D&schemaName=S&warehouse=W") -> Any:
        data = {"LOGIN_NAME": "loader", "ACCOUNT_NAME": "acme", "PASSWORD": "secret"}
        return self.call("POST", f"/session/v1/login-request?{asked}", {"data": data})

    def query(self, token: str, sql: str, **more: Any) -> Any:
        request_id = more.pop("request_id", str(uuid.uuid4()))
        path = f"/queries/v1/query-request?requestId={request_id}"
        return self.call("POST", path, {"sqlText": sql, **more}, token)

    def rows(self, sql: str) -> list[list[str | None]]:
        return self.call("POST", "/__sql", {"sql": sql, "database": "D", "schema": "S"})["rows"]

    def fault(self, match: str, action: str, **more: Any) -> None:
        self.call("POST", "/__fault", {"match": match, "action": action, **more})


class StandInTest(unittest.TestCase):
    """One stand-in for all tests of a class; each test has tables of its own."""

    options: tuple[str, ...] = ("--idle-seconds", "0.3", "--synchronous-seconds", "5")

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(*cls.options)
        cls.addClassCleanup(cls.server.stop)

    def setUp(self) -> None:
        self.connection = self.server.connect()
        self.addCleanup(self.connection.close)
        self.addCleanup(self.server.call, "DELETE", "/__fault")
        self.table = '"D"."S"."' + self._testMethodName + '"'

    def run_sql(self, sql: str, *values: Any, connection: Any = None) -> list[tuple[Any, ...]]:
        cursor = (connection or self.connection).cursor()
        return list(cursor.execute(sql, values or None).fetchall())

    def refused(self, code: int, sql: str, *values: Any) -> Error:
        with self.assertRaises(Error) as raised:
            self.run_sql(sql, *values)
        self.assertEqual(raised.exception.errno, code, raised.exception)
        return raised.exception


class Statements(StandInTest):
    def merge(self, *rows: list[str], connection: Any = None) -> tuple[Any, ...]:
        sql = (
            f'MERGE INTO {self.table} t USING (SELECT f.value[0]::NUMBER(38,0) AS "id", f.value[1]::VARCHAR AS "v", '
            f'f.value[2]::VARCHAR AS "op" {FLATTEN}) s ON t."id" = s."id" '
            'WHEN MATCHED AND s."op" = \'d\' THEN DELETE WHEN MATCHED THEN UPDATE SET t."v" = s."v" '
            'WHEN NOT MATCHED AND s."op" <> \'d\' THEN INSERT ("id", "v") VALUES (s."id", s."v")'
        )
        return self.run_sql(sql, json.dumps(rows), connection=connection)[0]

    def create(self, columns: str = '"id" NUMBER(38,0), "v" VARCHAR(5), PRIMARY KEY ("id")') -> None:
        self.run_sql(f"CREATE TABLE IF NOT EXISTS {self.table} ({columns}) COMMENT = 'it''s'")

    def test_merge_counts_and_is_one_statement(self) -> None:
        self.create()
        self.assertEqual(self.merge(["1", "a", "c"], ["2", "b", "c"]), (2, 0, 0))
        self.assertEqual(self.merge(["1", "x", "u"], ["2", "", "d"], ["3", "c", "c"]), (1, 1, 1))
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table} ORDER BY 1"), [["1", "x"], ["3", "c"]])
        sql = f"MERGE INTO {self.table} t USING (SELECT 1 AS i {FLATTEN}) s ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (9, '')"
        self.assertEqual(self.run_sql(sql, "[]"), [(0,)])

    def test_two_source_rows_for_one_target_row_are_refused(self) -> None:
        self.create()
        self.merge(["1", "a", "c"])
        with self.assertRaises(Error) as raised:
            self.merge(["1", "b", "u"], ["1", "c", "u"])
        self.assertEqual(raised.exception.errno, 100090)

    def test_a_primary_key_is_not_enforced_but_its_not_null_is(self) -> None:
        self.create()
        self.assertEqual(self.merge(["1", "a", "c"], ["1", "b", "c"]), (2, 0, 0))
        self.refused(100072, f"INSERT INTO {self.table} VALUES (NULL, 'a')")

    def test_integers_have_38_digits(self) -> None:
        self.create('"id" NUMBER, "i" INT')
        self.run_sql(f"INSERT INTO {self.table} VALUES ({'9' * 38}, -{'9' * 38})")
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [["9" * 38, "-" + "9" * 38]])
        shown = self.run_sql(f"SHOW COLUMNS IN TABLE {self.table}")
        self.assertEqual(json.loads(shown[0][3])["precision"], 38)
        self.refused(100038, f"INSERT INTO {self.table} VALUES ('abc', 1)")
        self.refused(100071, f"INSERT INTO {self.table} SELECT f.value::NUMBER(38,0), 1 {FLATTEN}", '["abc"]')

    def test_only_longer_text_and_more_digits_are_widening(self) -> None:
        self.create('"v" VARCHAR(5), "n" NUMBER(5,2), "d" DATE')
        self.run_sql(f'ALTER TABLE {self.table} ALTER COLUMN "v" SET DATA TYPE VARCHAR(9)')
        self.run_sql(f'ALTER TABLE {self.table} ALTER COLUMN "n" SET DATA TYPE NUMBER(9,2)')
        for change in ('"v" SET DATA TYPE VARCHAR(3)', '"n" SET DATA TYPE NUMBER(12,3)', '"n" SET DATA TYPE FLOAT',
                       '"n" SET DATA TYPE NUMBER(4,2)', '"d" SET DATA TYPE TIMESTAMP_NTZ', '"n" SET DATA TYPE VARCHAR'):
            self.refused(2108, f"ALTER TABLE {self.table} ALTER COLUMN {change}")
        self.run_sql(f"INSERT INTO {self.table} VALUES ('123456789', 1234567.89, NULL)")
        self.refused(100078, f"INSERT INTO {self.table} VALUES ('1234567890', 1, NULL)")

    def test_names_that_are_not_there(self) -> None:
        self.refused(2003, f"SELECT * FROM {self.table}")
        self.create()
        self.refused(904, f'INSERT INTO {self.table} ("id", "w") VALUES (1, 2)')
        self.refused(2002, f'CREATE TABLE {self.table} ("id" INT)')
        self.refused(1430, f'ALTER TABLE {self.table} ADD COLUMN "v" INT')
        self.run_sql(f'ALTER TABLE {self.table} ADD COLUMN IF NOT EXISTS "v" INT, "w" FLOAT')
        self.refused(1003, "SELECT FROM WHERE")

    def test_a_failed_transaction_takes_rollback_only(self) -> None:
        self.create()
        self.run_sql("BEGIN TRANSACTION")
        self.run_sql("BEGIN")
        self.merge(["1", "a", "c"])
        self.refused(2003, 'SELECT * FROM "missing"')
        self.refused(603, "COMMIT")
        self.run_sql("ROLLBACK")
        self.run_sql("COMMIT")
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [])

    def test_ddl_commits_the_open_transaction(self) -> None:
        self.create()
        self.run_sql("BEGIN")
        self.merge(["1", "a", "c"])
        self.run_sql(f'ALTER TABLE {self.table} ADD COLUMN "w" INT')
        self.run_sql("ROLLBACK")
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [["1", "a", None]])

    def test_values_come_back_exactly(self) -> None:
        self.create('"t" TEXT, "f" FLOAT, "b" BINARY, "z" TIMESTAMP_TZ, "n" TIMESTAMP_NTZ, "d" DATE, "h" TIME, "v" VARIANT')
        row = ["it's \\ \"q\" \n\u0000😀", "NaN", "AAH/", "2024-01-01T02:00:00.123456+02:00", "9999-12-31T23:59:59.999999",
               "0001-01-01", "23:59:59.999999", '{"a":[1,null]}']
        self.run_sql(
            f"INSERT INTO {self.table} SELECT f.value[0]::VARCHAR, f.value[1]::FLOAT, TO_BINARY(f.value[2]::VARCHAR, "
            "'BASE64'), f.value[3]::TIMESTAMP_TZ, f.value[4]::TIMESTAMP_NTZ, f.value[5]::DATE, f.value[6]::TIME, "
            f"PARSE_JSON(f.value[7]::VARCHAR) {FLATTEN}",
            json.dumps([row, [None] * 8]),
        )
        expected = [row[0], "nan", "0001ff", "2024-01-01T00:00:00.123456Z", *row[4:]]
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table} ORDER BY 1 NULLS LAST"), [expected, [None] * 8])

    def test_writers_of_one_table_wait_for_each_other(self) -> None:
        self.create()
        with contextlib.closing(self.server.connect()) as other:
            self.run_sql("BEGIN")
            self.merge(["1", "a", "c"])
            waiting = threading.Thread(target=self.merge, args=(["1", "b", "u"],), kwargs={"connection": other})
            waiting.start()
            time.sleep(0.1)
            self.run_sql("COMMIT")
            waiting.join()
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [["1", "b"]])

    def test_a_transaction_whose_client_is_gone_ends_when_it_blocks_another(self) -> None:
        self.create()
        token = self.server.login()["data"]["token"]
        self.server.query(token, "BEGIN")
        self.server.query(token, f"DELETE FROM {self.table}")
        started = time.monotonic()
        self.assertEqual(self.merge(["1", "a", "c"]), (1, 0, 0))
        self.assertGreater(time.monotonic() - started, 0.2)
        self.assertEqual(self.server.query(token, "COMMIT")["code"], "390111")
        self.assertIn("DETACHED", [entry["kind"] for entry in self.server.call("GET", "/__log")])


class Wire(StandInTest):
    options = ("--idle-seconds", "9", "--warehouses", "W", "--databases", "D", "--roles", "PUBLIC,READER",
               "--deny", "READER:CREATE TABLE")

    def test_what_is_not_known_is_null_in_the_answer_to_a_login(self) -> None:
        known = {"databaseName": "D", "schemaName": "S", "warehouseName": "W", "roleName": "PUBLIC"}
        self.assertEqual(self.server.login()["data"]["sessionInfo"], known)
        unknown = self.server.login("databaseName=X&schemaName=S&warehouse=Y")["data"]["sessionInfo"]
        self.assertEqual(unknown, {"databaseName": None, "schemaName": None, "warehouseName": None, "roleName": "PUBLIC"})
        self.assertEqual(self.server.login("roleName=X")["code"], "390189")

    def test_a_wrong_password_is_refused(self) -> None:
        for wrong in ({"password": "x"}, {"user": "nobody"}):
            with self.assertRaises(Error) as raised:
                self.server.connect(**wrong)
            self.assertIn("Incorrect username or password", str(raised.exception))

    def test_rights_and_warehouses_are_asked_for(self) -> None:
        reader = self.server.login("databaseName=D&schemaName=S&roleName=READER")["data"]["token"]
        self.assertEqual(self.server.query(reader, "CREATE TABLE t (i INT)")["code"], "003001")
        self.assertEqual(self.server.query(reader, "SELECT 1")["code"], None)
        self.run_sql(f"CREATE TABLE {self.table} (i INT)")
        self.assertEqual(self.server.query(reader, f"SELECT * FROM {self.table}")["code"], "000606")
        self.assertEqual(self.server.query(reader, "USE WAREHOUSE w")["code"], None)
        self.assertEqual(self.server.query(reader, f"SELECT * FROM {self.table}")["code"], None)
        self.assertEqual(self.server.query(reader, "USE WAREHOUSE x")["code"], "002043")

    def test_a_request_that_is_sent_again_runs_once(self) -> None:
        self.run_sql(f"CREATE TABLE {self.table} (i INT)")
        token = self.server.login()["data"]["token"]
        answers = [self.server.query(token, f"INSERT INTO {self.table} VALUES (1)", request_id="same") for _ in range(2)]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [["1"]])

    def test_tokens_expire_and_are_renewed(self) -> None:
        login = self.server.login()["data"]
        self.server.query(login["token"], "BEGIN")
        self.server.fault("SELECT 7", "expire_session")
        self.assertEqual(self.server.query(login["token"], "SELECT 7")["code"], "390112")
        self.assertEqual(self.server.query(login["token"], "SELECT 7")["code"], "390112")
        renewal = self.server.call("POST", "/session/token-request", {}, login["masterToken"])["data"]
        self.assertEqual(self.server.query(renewal["sessionToken"], "SELECT 7")["code"], None)
        self.server.fault("SELECT 8", "expire_master")
        self.assertEqual(self.server.query(renewal["sessionToken"], "SELECT 8"),
                         {"data": None, "code": "390114", "success": False, "headers": None,
                          "message": "Authentication token has expired.  The user must authenticate again."})
        self.assertEqual(self.server.call("POST", "/session/token-request", {}, renewal["masterToken"])["code"], "390114")

    def test_faults_fire_where_they_are_told_to(self) -> None:
        self.run_sql(f"CREATE TABLE {self.table} (i INT)")
        insert = f"INSERT INTO {self.table} VALUES (1)"
        token = self.server.login()["data"]["token"]
        self.server.fault("^insert", "code:000625:57014", nth=2)
        self.assertEqual([self.server.query(token, insert)["code"] for _ in range(3)], [None, "000625", None])
        self.server.fault("INSERT", "lost")
        with self.assertRaises(Exception):
            self.server.query(token, insert)
        self.server.fault("INSERT", "crash_connection")
        with self.assertRaises(Exception):
            self.server.query(token, insert)
        self.server.fault("INSERT", "http:429")
        with self.assertRaises(urllib.error.HTTPError) as raised:
            self.server.query(token, insert)
        self.assertEqual(raised.exception.headers["Retry-After"], "1")
        raised.exception.close()
        self.assertEqual(self.server.rows(f"SELECT COUNT(*) FROM {self.table}"), [["3"]])
        fired = self.server.call("GET", "/__fault")
        self.assertEqual([(rule["action"], rule["fired"]) for rule in fired],
                         [("code:000625:57014", 1), ("lost", 1), ("crash_connection", 1), ("http:429", 1)])

    def test_a_slow_statement_is_polled(self) -> None:
        token = self.server.login()["data"]["token"]
        self.server.fault("SELECT 9", "slow:1.2")
        answer = self.server.query(token, "SELECT 9")
        polls = 0
        while answer["code"] == "333333":
            polls += 1
            answer = self.server.call("GET", answer["data"]["getResultUrl"])
        self.assertTrue(answer["success"])
        self.assertGreaterEqual(polls, 2)

    def test_a_killed_session_is_rolled_back(self) -> None:
        self.run_sql(f"CREATE TABLE {self.table} (i INT)")
        token = self.server.login()["data"]["token"]
        self.server.query(token, "BEGIN")
        self.server.query(token, f"INSERT INTO {self.table} VALUES (1)")
        self.server.fault("COMMIT", "kill")
        self.assertEqual(self.server.query(token, "COMMIT")["code"], "390111")
        self.assertEqual(self.server.query(token, "COMMIT")["code"], "390111")
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [])

    def test_a_delayed_statement_of_a_client_that_is_gone_is_not_run(self) -> None:
        self.run_sql(f"CREATE TABLE {self.table} (i INT)")
        self.server.fault("INSERT", "delay:0.5")
        token = self.server.login()["data"]["token"]
        client = subprocess.Popen(
            [sys.executable, "-c", "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], sys.argv[2].encode(), "
             "{'Authorization': sys.argv[3]}))", f"http://127.0.0.1:{self.server.port}/queries/v1/query-request",
             json.dumps({"sqlText": f"INSERT INTO {self.table} VALUES (1)", "parameters": {"ABORT_DETACHED_QUERY": True}}),
             f'Snowflake Token="{token}"'])
        while self.server.call("GET", "/__log")[-1]["kind"] != "INSERT":
            time.sleep(0.01)
        client.kill()
        client.wait()
        while self.server.call("GET", "/__log")[-1]["done"] is None:
            time.sleep(0.01)
        self.assertEqual(self.server.call("GET", "/__log")[-1]["code"], "000604")
        self.assertEqual(self.server.rows(f"SELECT * FROM {self.table}"), [])

    def test_the_log_tells_who_did_what(self) -> None:
        token = self.server.login()["data"]["token"]
        since = len(self.server.call("GET", "/__log"))
        bindings = {"1": {"type": "TEXT", "value": "hidden"}}
        self.server.query(token, "SELECT ?", bindings=bindings, parameters={"QUERY_TAG": "tag"})
        (entry,) = self.server.call("GET", f"/__log?since={since}")
        wanted = {"kind": "SELECT", "sql": "SELECT ?", "binds": 1, "tag": "tag", "warehouse": "W", "user": "LOADER",
                  "code": None, "in_transaction": False, "number": since + 1}
        self.assertEqual({name: entry[name] for name in wanted}, wanted)
        self.assertNotIn("hidden", json.dumps(entry))


class Stages(StandInTest):
    """Stages, with Snowflake's own client for uploads to Google's store: for others, it needs TLS."""

    def setUp(self) -> None:
        super().setUp()
        self.server.call("POST", "/__stages", {"store": "gcs"})

    def create(self, encryption: str = "ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE')") -> None:
        self.run_sql(
            f"CREATE STAGE IF NOT EXISTS {self.table} {encryption} FILE_FORMAT = (TYPE = JSON COMPRESSION = GZIP NULL_IF = ())"
        )

    def put(self, lines: list[Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "rows.json.gz"
            file.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode()))
            options = "AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"
            (answer,) = self.run_sql(f"PUT 'file://{file}' '@{self.table}/a/b/' {options}")
        self.assertIn("UPLOADED", answer)

    def read(self, file: str = "rows.json.gz") -> list[tuple[Any, ...]]:
        source = f"FROM (SELECT $1 AS value FROM '@{self.table}/a/b/{file}') f"
        return self.run_sql(f"SELECT f.value[0]::NUMBER(38,0), f.value[1]::VARCHAR {source} ORDER BY 1")

    def test_snowflakes_client_uploads_what_statements_read(self) -> None:
        self.create()
        self.put([["1", "a"], ["2", "line\nbreak"], ["3", None]])
        self.assertEqual(self.read(), [(1, "a"), (2, "line\nbreak"), (3, None)])
        ((name, size, *_),) = self.run_sql(f"LIST '@{self.table}/a/'")
        own = f"D.S.{self._testMethodName}".upper()
        (stored,) = [file for file in self.server.call("GET", "/__stages") if file["stage"] == own]
        self.assertEqual((name, size), (f"{self._testMethodName}/a/b/rows.json.gz", stored["bytes"]))
        self.run_sql(f"REMOVE '@{self.table}/a/'")
        self.assertEqual(self.run_sql(f"LIST '@{self.table}/'"), [])

    def test_a_file_that_does_not_exist_has_no_rows(self) -> None:
        self.create()
        self.assertEqual(self.read("other.json.gz"), [])

    def test_a_damaged_file_is_refused(self) -> None:
        self.create()
        self.server.call("POST", "/__stages", {"location": f"{self.table}/a/b/rows.json.gz", "content": "no gzip"})
        source = f"FROM (SELECT $1 AS value FROM '@{self.table}/a/b/rows.json.gz') f"
        self.refused(100069, f"SELECT f.value[0]::VARCHAR {source}")

    def test_stages_without_encryption_of_their_own_want_it_from_clients(self) -> None:
        self.create("")
        token = self.server.login()["data"]["token"]
        options = "AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"
        answer = self.server.query(token, f"PUT 'file:///x/rows.json.gz' '@{self.table}/a/' {options}")
        self.assertTrue(answer["data"]["encryptionMaterial"]["queryStageMasterKey"])

    def test_an_upload_needs_what_put_has_handed_out(self) -> None:
        for store in ("s3", "azure", "gcs", "gcs-token"):
            path = f"/__store/{store}/sfc-stand-in/stages/x/rows.json.gz"
            with self.assertRaises(urllib.error.HTTPError) as raised:
                self.server.call("PUT", path, "x")
            with raised.exception as refusal:
                self.assertEqual(refusal.code, 403, store)


if __name__ == "__main__":
    unittest.main()
