"""Answers as they go over the wire."""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from .engine import Result
from .errors import Refusal, SessionRefusal
from .options import Options
from .sessions import Session

#: What a client says to be the version of the service.
_VERSION = "9.40.0"


class Closed(Response):
    """No answer at all: the connection is closed in the middle of one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


def gateway(status: int) -> Response:
    """What something in front of the service answers."""
    headers = {"retry-after": "1"} if status == 429 else None
    return PlainTextResponse("<html><body>unavailable</body></html>", status, headers, "text/html")


def success(data: Any = None) -> Response:
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})


def refused(refusal: Refusal, query_id: str | None = None) -> Response:
    """A refusal. One that concerns the session has no data, which drivers stumble over."""
    data = None
    if not isinstance(refusal, SessionRefusal):
        data = {
            "age": 0,
            "errorCode": refusal.code,
            "internalError": False,
            "line": -1,
            "pos": -1,
            "queryId": query_id,
            "sqlState": refusal.state,
        }
    return JSONResponse(
        {"data": data, "code": refusal.code, "message": refusal.message, "success": False, "headers": None}
    )


def login_refused(refusal: Refusal) -> Response:
    data = {"age": 0, "errorCode": refusal.code, "internalError": False, "authnMethod": "USERNAME_PASSWORD"}
    return JSONResponse(
        {"data": data, "code": refusal.code, "message": refusal.message, "success": False, "headers": None}
    )


def in_progress(query_id: str) -> Response:
    """The statement goes on; the client is to ask again."""
    data = {
        "queryId": query_id,
        "getResultUrl": f"/queries/{query_id}/result",
        "queryAbortsAfterSecs": 300,
        "progressDesc": None,
    }
    return JSONResponse(
        {"data": data, "code": "333333", "message": "Query execution in progress", "success": True}
    )


def logged_in(session: Session, options: Options, schema: str | None) -> Response:
    """The answer to a login: `sessionInfo` has null for what is not there."""
    return success(
        {
            "token": session.token,
            "masterToken": session.master,
            "sessionId": session.number,
            "validityInSeconds": int(options.session_seconds),
            "masterValidityInSeconds": int(options.master_seconds),
            "displayUserName": session.user,
            "serverVersion": _VERSION,
            "firstLogin": False,
            "healthCheckInterval": 45,
            "parameters": [
                {"name": "AUTOCOMMIT", "value": True},
                {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
                # 0: arrays of values are sent inline, and not by way of a stage.
                {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": 0},
                {"name": "TIMEZONE", "value": "Etc/UTC"},
            ],
            "sessionInfo": {
                "databaseName": session.link.database,
                "schemaName": schema,
                "warehouseName": session.warehouse,
                "roleName": session.role,
            },
        }
    )


def renewed(session: Session, options: Options) -> Response:
    return success(
        {
            "sessionToken": session.token,
            "validityInSecondsST": int(options.session_seconds),
            "masterToken": session.master,
            "validityInSecondsMT": int(options.master_seconds),
            "sessionId": session.number,
        }
    )


def rows(result: Result, query_id: str, session: Session) -> Response:
    """The answer of a statement: DML as JSON, everything else as Arrow."""
    data: dict[str, Any] = {
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}],
        "rowtype": result.rowtype,
        "total": result.table.num_rows,
        "returned": result.table.num_rows,
        "queryId": query_id,
        "statementTypeId": result.type_id,
        "version": 1,
        "databaseProvider": None,
        "finalDatabaseName": session.link.database,
        "finalSchemaName": session.link.schema,
        "finalWarehouseName": session.warehouse,
        "finalRoleName": session.role,
    }
    if result.is_dml:
        data.update(queryResultFormat="json", rowset=result.texts())
    else:
        encoded = base64.b64encode(result.arrow()).decode() if result.table.num_columns else ""
        data.update(queryResultFormat="arrow", rowsetBase64=encoded)
    return success(data)


def token_of(request: Request) -> str:
    """The token in `Authorization: Snowflake Token="..."`."""
    return request.headers.get("authorization", "").removeprefix("Snowflake Token=").strip('"')
