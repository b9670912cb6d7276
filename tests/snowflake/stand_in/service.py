"""The service: Snowflake's routes, and those that tests use."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from . import answers, errors, login, values
from .engine import Engine
from .errors import Refusal
from .faults import Fault, Faults
from .journal import Journal, complete
from .locks import Locks
from .options import Options
from .runner import Runner, Work
from .sessions import Session, Sessions
from .stages import Stages, StoreRefusal, store_path
from .stages import statement_of as stage_statement
from .statement import parse

#: How long the answer to a poll is held back.
_POLL_SECONDS = 0.5


class Service:
    """All that the routes share."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._engine = Engine()
        self._sessions = Sessions(options)
        self._journal = Journal()
        self._faults = Faults()
        self._stages = Stages()
        self._runner = Runner(options, self._engine, Locks(self._journal, options.idle_seconds), self._stages)
        self._pending: dict[str, asyncio.Task[Response]] = {}

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/session/v1/login-request", self.login, methods=["POST"]),
                Route("/session/token-request", self.renew, methods=["POST"]),
                Route("/session/heartbeat", self.heartbeat, methods=["POST"]),
                Route("/session", self.close, methods=["POST"]),
                Route("/queries/v1/query-request", self.query, methods=["POST"]),
                Route("/queries/v1/abort-request", _nothing, methods=["POST"]),
                Route("/queries/{id}/result", self.poll, methods=["GET"]),
                Route("/telemetry/send", _nothing, methods=["POST"]),
                Route("/__log", self.log, methods=["GET"]),
                Route("/__fault", self.fault, methods=["GET", "POST", "DELETE"]),
                Route("/__sessions", self.end_sessions, methods=["DELETE"]),
                Route("/__sql", self.sql, methods=["POST"]),
                Route("/__stages", self.stages, methods=["GET", "POST"]),
                Route("/__store/{store}/{path:path}", self.upload, methods=["PUT"]),
            ],
            exception_handlers={Refusal: _refused},
        )

    async def login(self, request: Request) -> Response:
        data = (await _body(request))["data"]
        user = data["LOGIN_NAME"].upper()
        entry = self._journal.event("LOGIN", user=user)
        try:
            fault = self._take_fault(f"LOGIN {user}", entry)
            if fault is not None:
                await self._before(fault, None)
            if fault is not None and (instead := _instead(fault)):
                return instead
            login.check(self._options, data)
            place = login.Place(self._options, dict(request.query_params))
        except Refusal as refusal:
            complete(entry, refusal.code)
            return answers.login_refused(refusal)
        link = await asyncio.to_thread(self._engine.connect, place.database, place.schema)
        session = self._sessions.open(user, place.role, place.warehouse, link)
        session.parameters.update(data.get("SESSION_PARAMETERS") or {})
        entry.update(session=session.number, role=session.role, warehouse=session.warehouse)
        complete(entry, None)
        return answers.logged_in(session, self._options, place.schema)

    async def renew(self, request: Request) -> Response:
        session = self._sessions.renew(answers.token_of(request))
        entry = self._journal.event("RENEW", session)
        fault = self._take_fault(f"RENEW {session.user}", entry)
        if fault is not None:
            await self._before(fault, session)
            if instead := _instead(fault):
                return instead
        complete(entry, None)
        return answers.renewed(session, self._options)

    async def heartbeat(self, request: Request) -> Response:
        self._sessions.by_token(answers.token_of(request))
        return answers.success()

    async def close(self, request: Request) -> Response:
        session = self._sessions.by_token(answers.token_of(request))
        self._journal.event("CLOSE", session)
        session.end(errors.session_gone())
        return answers.success()

    async def query(self, request: Request) -> Response:
        session = self._sessions.by_token(answers.token_of(request))
        # Drivers send a request again when they get no answer. The service knows it by its id and runs nothing twice.
        request_id = request.query_params.get("requestId", str(uuid.uuid4()))
        if (earlier := session.answers.get(request_id)) is not None:
            return await self._await(earlier, self._options.synchronous_seconds, None)
        work = Work.of(session, await _body(request), f"http://{request.headers['host']}")
        entry = self._journal.statement(session, work.sql, work.kind, work.bind_count, work.tag)
        fault = self._take_fault(work.sql, entry)
        if fault is not None and (instead := _instead(fault)):
            complete(entry, f"{fault.name}:{fault.argument}")
            return instead
        task = asyncio.create_task(self._answer(work, fault, entry, request))
        session.remember(request_id, task)
        is_slow = fault is not None and fault.name == "slow"
        answer = await self._await(task, 0 if is_slow else self._options.synchronous_seconds, work.query_id)
        return answers.Closed() if fault is not None and fault.name == "lost" else answer

    async def poll(self, request: Request) -> Response:
        query_id = request.path_params["id"]
        task = self._pending.get(query_id)
        if task is None:
            raise Refusal("000709", "02000", f"Statement {query_id} not found")
        return await self._await(task, _POLL_SECONDS, query_id)

    async def _answer(self, work: Work, fault: Fault | None, entry: dict[str, Any], request: Request) -> Response:
        try:
            if fault is not None:
                await self._before(fault, work.session, work, request)
            result = await self._runner.run(work)
        except Refusal as refusal:
            complete(entry, refusal.code)
            return answers.refused(refusal, work.query_id)
        complete(entry, None)
        if isinstance(result, dict):
            return answers.success({**result, "queryId": work.query_id})
        return answers.rows(result, work.query_id, work.session)

    async def _before(
        self, fault: Fault, session: Session | None, work: Work | None = None, request: Request | None = None
    ) -> None:
        """What a fault does before the request is served; raises what it is refused with."""
        if fault.name in {"slow", "delay"}:
            # Who polls for a slow statement is still there, though its first request is answered.
            watched = request if fault.name == "delay" else None
            await self._runner.delay(fault.seconds, work, watched)
        if fault.name == "code":
            code, _, state = fault.argument.partition(":")
            if work is not None:
                work.session.failed = work.session.in_transaction
            raise Refusal(code, state, f"injected {code}")
        if session is None:
            return
        if fault.name == "kill":
            session.end(errors.session_gone())
            raise errors.session_gone()
        if fault.name in {"expire_session", "expire_master"}:
            raise self._sessions.expire(session, master=fault.name == "expire_master")

    async def _await(self, task: asyncio.Task[Response], seconds: float, query_id: str | None) -> Response:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        query_id = query_id or str(uuid.uuid4())
        self._pending[query_id] = task
        return answers.in_progress(query_id)

    def _take_fault(self, text: str, entry: dict[str, Any]) -> Fault | None:
        fault = self._faults.take(text)
        if fault is not None:
            entry["fault"] = f"{fault.name}:{fault.argument}".rstrip(":")
        return fault

    async def log(self, request: Request) -> Response:
        return JSONResponse(self._journal.since(int(request.query_params.get("since", "0"))))

    async def fault(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        if request.method == "POST":
            try:
                self._faults.add(await _body(request))
            except (KeyError, ValueError) as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self._faults.fired())

    async def end_sessions(self, request: Request) -> Response:
        return JSONResponse({"ended": self._sessions.end_all()})

    async def stages(self, request: Request) -> Response:
        """The files of all stages. A test chooses the store with `store`, or adds a file with `location`."""
        if request.method == "POST":
            given = await _body(request)
            if "store" in given:
                self._stages.store = given["store"]
            if "location" in given:
                self._stages.add(given["location"], given.get("content", "").encode())
        return JSONResponse(self._stages.files())

    async def upload(self, request: Request) -> Response:
        """An upload to a store, which knows nothing of sessions."""
        path = store_path(request)
        entry = self._journal.event("UPLOAD")
        fault = self._take_fault(f"UPLOAD {path}", entry)
        content = None
        if fault is not None:
            await self._before(fault, None)
            if instead := _instead(fault):
                complete(entry, f"{fault.name}:{fault.argument}")
                return instead
            if fault.name in {"truncate", "drop"}:
                body = await request.body()
                content = body[: len(body) // 2] if fault.name == "truncate" else b""
        try:
            await self._stages.upload(request.path_params["store"], path, request, content)
        except StoreRefusal as refusal:
            complete(entry, refusal.code)
            return PlainTextResponse(f"<Error><Code>{refusal.code}</Code></Error>", refusal.status)
        complete(entry, None)
        if fault is not None and fault.name == "lost":
            return answers.Closed()
        return PlainTextResponse("", 201 if request.path_params["store"] == "azure" else 200)

    async def sql(self, request: Request) -> Response:
        """Runs a statement of a test, in a session of its own that no fault and no log concerns."""
        given = await _body(request)
        try:
            result = await asyncio.to_thread(self._run_for_test, given)
        except Refusal as refusal:
            return JSONResponse({"error": f"{refusal.code}: {refusal.message}"}, 400)
        columns = [{"name": column["name"], "type": column["type"]} for column in result.rowtype]
        by_column = [map(values.text, column.to_pylist()) for column in result.table.columns]
        return JSONResponse({"columns": columns, "rows": [list(row) for row in zip(*by_column, strict=True)]})

    def _run_for_test(self, given: dict[str, Any]) -> Any:
        if stage_statement(given["sql"]) is not None:
            return self._stages.run(given["sql"], "")
        link = self._engine.connect(given.get("database"), given.get("schema"))
        try:
            return self._engine.run(link, parse(given["sql"], link.database, link.schema), None, False)
        finally:
            link.close()


def _instead(fault: Fault) -> Response | None:
    """The answer of a fault that keeps the request from being served."""
    if fault.name == "http":
        return answers.gateway(int(fault.argument))
    return answers.Closed() if fault.name == "crash_connection" else None


async def _body(request: Request) -> Any:
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return json.loads(body)


async def _nothing(request: Request) -> Response:
    return answers.success()


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return answers.refused(refusal)
