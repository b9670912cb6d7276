"""Internal stages: their statements, what PUT answers, and the stores that clients upload to.

The stores check what real ones check: the signature of Amazon's requests with botocore, the query of Azure's and Google's URLs, and
Google's tokens. A statement that reads a file gets its rows as a bound value, which it would read the same way."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import secrets
import time
import zlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from sqlglot import exp
from starlette.requests import Request

from .engine import Result, table_of
from .errors import Refusal
from .statement import Statement, TableKey

#: Statements that this module runs.
KINDS = {"PUT", "LIST", "REMOVE", "CREATE STAGE"}
STORES = ("s3", "azure", "gcs", "gcs-token")

_NAME = r'"(?:[^"]|"")*"'
_FULL_NAME = rf"({_NAME})\.({_NAME})\.({_NAME})"
_PATH = r"'@((?:[^'\\]|\\.)*)'"
_CREATE = re.compile(rf"CREATE STAGE (?:IF NOT EXISTS )?{_FULL_NAME}(.*)", re.S)
_PUT = re.compile(rf"PUT 'file://([^']+)' {_PATH} AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE")
_LIST = re.compile(rf"(LIST|REMOVE) {_PATH}")
_SSE = re.compile(r"ENCRYPTION = \(TYPE = 'SNOWFLAKE_SSE'\)")
_JSON = re.compile(r"FILE_FORMAT = \(TYPE = JSON COMPRESSION = GZIP NULL_IF = \(\)\)")
_READ = re.compile(rf"FROM \(SELECT \$1 AS value FROM {_PATH}\) f")
_BOUND = "FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) f"
_LOCATION = re.compile(rf"{_FULL_NAME}/(.*)", re.S)


@dataclass
class Stage:
    """One stage."""

    name: str
    #: Folder in the bucket.
    folder: str
    #: Whether the store encrypts files; otherwise clients must.
    is_sse: bool
    #: Whether its files are JSON, one value per row.
    is_json: bool


@dataclass
class Keys:
    """What one PUT has handed out."""

    key_id: str = field(default_factory=lambda: "ASIA" + secrets.token_hex(8).upper())
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(30))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(60) + "+/=")


class StoreRefusal(Exception):
    """A store refuses a request."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Stages:
    """All stages and their files."""

    REGION = "eu-central-1"
    BUCKET = "sfc-stand-in"

    def __init__(self) -> None:
        self.store = STORES[0]
        self._stages: dict[TableKey, Stage] = {}
        #: By path in the bucket: content, and time of the upload.
        self._files: dict[str, tuple[bytes, float]] = {}
        #: The keys of S3, by id; the tokens of the other stores.
        self._keys: dict[str, Keys] = {}

    def run(self, sql: str, origin: str) -> Result | dict[str, Any]:
        """Runs one of the statements; raises `Refusal`. PUT answers with where to upload."""
        sql = sql.strip()
        if match := _CREATE.fullmatch(sql):
            return self._create(_key(match.groups()[:3]), match[3], match[4])
        if match := _PUT.fullmatch(sql):
            stage, path = self._find(match[2])
            return self._offer(stage, f"{stage.folder}/{path}", match[1], origin)
        if match := _LIST.fullmatch(sql):
            stage, path = self._find(match[2])
            return self._list(stage, path) if match[1] == "LIST" else self._remove(stage, path)
        raise Refusal("001003", "42000", f"SQL compilation error: the stand-in does not know this form: {sql[:80]}")

    def rows(self, location: str) -> str:
        """The rows of a file as one JSON array. Snowflake reads a file that does not exist as one without rows."""
        stage, path = self._find(location)
        if not stage.is_json:
            raise Refusal("001044", "42P13", "SQL compilation error: Invalid argument types for function 'GET'")
        content, _ = self._files.get(f"{stage.folder}/{path}", (gzip.compress(b""), 0.0))
        try:
            lines = gzip.decompress(content).decode().splitlines()
            for line in lines:
                json.loads(line)
        except (EOFError, ValueError, zlib.error, gzip.BadGzipFile) as error:
            raise Refusal("100069", "22P02", f"Error parsing JSON: {error}") from error
        return f"[{','.join(lines)}]"

    async def upload(self, store: str, path: str, request: Request, content: bytes | None) -> None:
        """Stores an upload, with this content, or without it; raises `StoreRefusal`."""
        body = await request.body()
        if store == "s3":
            self._check_signature(request, body)
        elif store == "azure":
            self._check(request.url.query, "sas")
            if request.headers.get("x-ms-blob-type") != "BlockBlob":
                raise StoreRefusal(400, "MissingRequiredHeader")
            path = path.removeprefix("account/")
        elif store == "gcs":
            self._check(request.url.query, "signed")
        else:
            self._check(request.headers.get("authorization", ""), "Bearer")
        bucket, _, key = path.partition("/")
        if bucket != self.BUCKET:
            raise StoreRefusal(404, "NoSuchBucket")
        if content is None:
            content = body
        if content:
            self._files[key] = (content, time.time())

    def files(self) -> list[dict[str, Any]]:
        """All files, for tests."""
        names = {stage.folder: ".".join(key) for key, stage in self._stages.items()}
        return [
            {"stage": names["/".join(path.split("/")[:2])], "path": path, "bytes": len(content)}
            for path, (content, _) in sorted(self._files.items())
        ]

    def add(self, location: str, content: bytes) -> None:
        """Stores a file, for tests. `location` is `"DB"."SCHEMA"."STAGE"/path`."""
        stage, path = self._find(location)
        self._files[f"{stage.folder}/{path}"] = (content, time.time())

    def _create(self, key: TableKey, name: str, options: str) -> Result:
        if key not in self._stages:
            folder = f"stages/{secrets.token_hex(6)}"
            stage = Stage(_unquoted(name), folder, bool(_SSE.search(options)), bool(_JSON.search(options)))
            self._stages[key] = stage
        return table_of({"status": ["Stage area successfully created."]})

    def _find(self, location: str) -> tuple[Stage, str]:
        text = re.sub(r"\\(.)", r"\1", location)
        match = _LOCATION.fullmatch(text)
        stage = self._stages.get(_key(match.groups()[:3])) if match else None
        if match is None or stage is None:
            raise Refusal(
                "002003", "02000", f"SQL compilation error: Stage '{text}' does not exist or not authorized."
            )
        return stage, match[4]

    def _offer(self, stage: Stage, folder: str, source: str, origin: str) -> dict[str, Any]:
        file = source.rpartition("/")[2]
        keys = Keys()
        self._keys[keys.key_id] = keys
        info: dict[str, Any] = {
            "location": f"{self.BUCKET}/{folder}", "path": folder, "region": self.REGION, "storageAccount": None,
            "isClientSideEncrypted": not stage.is_sse, "presignedUrl": None, "endPoint": None, "useS3RegionalUrl": False,
            "useRegionalUrl": False, "useVirtualUrl": False, "creds": {},
        }  # fmt: skip
        place = f"{origin}/__store/{self.store}"
        if self.store == "s3":
            info.update(locationType="S3", endPoint=place)
            info["creds"] = {"AWS_KEY_ID": keys.key_id, "AWS_SECRET_KEY": keys.secret, "AWS_TOKEN": keys.token}
        elif self.store == "azure":
            info.update(locationType="AZURE", endPoint=place, storageAccount="account")
            info["creds"] = {"AZURE_SAS_TOKEN": f"?{self._granted('sas')}"}
        elif self.store == "gcs":
            url = f"{place}/{self.BUCKET}/{folder}{file}?{self._granted('signed')}"
            info.update(locationType="GCS", presignedUrl=url)
        else:
            info.update(locationType="GCS", endPoint=place)
            info["creds"] = {"GCS_ACCESS_TOKEN": self._granted("Bearer").removeprefix("Bearer=")}
        key = {"queryStageMasterKey": secrets.token_urlsafe(16), "queryId": "q", "smkId": 1}
        return {
            "command": "UPLOAD", "src_locations": [source], "parallel": 4, "threshold": 209_715_200,
            "autoCompress": False, "overwrite": True, "sourceCompression": "gzip", "stageInfo": info,
            "encryptionMaterial": None if stage.is_sse else key,
        }  # fmt: skip

    def _granted(self, kind: str) -> str:
        token = f"{kind}={secrets.token_hex(20)}"
        self._keys[token] = Keys()
        return token

    def _check(self, given: str, kind: str) -> None:
        token = given.replace(f"{kind} ", f"{kind}=", 1)
        if not token.startswith(f"{kind}=") or token not in self._keys:
            raise StoreRefusal(403, "AuthenticationFailed")

    def _check_signature(self, request: Request, body: bytes) -> None:
        given = request.headers.get("authorization", "")
        pattern = r"AWS4-HMAC-SHA256 Credential=(\w+)/(\d{8})/([\w-]+)/s3/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})"
        match = re.fullmatch(pattern, given)
        keys = self._keys.get(match[1]) if match else None
        if match is None or keys is None:
            raise StoreRefusal(403, "InvalidAccessKeyId")
        names = match[4].split(";")
        if request.headers.get("x-amz-security-token") != keys.token or "x-amz-security-token" not in names:
            raise StoreRefusal(400, "InvalidToken")
        if request.headers.get("x-amz-server-side-encryption") != "AES256":
            raise StoreRefusal(400, "InvalidEncryption")
        if request.headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
            raise StoreRefusal(400, "XAmzContentSHA256Mismatch")
        url = f"{request.url.scheme}://{request.headers['host']}{request.scope['raw_path'].decode()}"
        signed = {name: request.headers[name] for name in names if name != "host"}
        again = AWSRequest(method=request.method, url=url, headers=signed, data=body)
        again.context["timestamp"] = request.headers["x-amz-date"]
        signer = S3SigV4Auth(Credentials(keys.key_id, keys.secret, keys.token), "s3", match[3])
        text = signer.string_to_sign(again, signer.canonical_request(again))
        if match[3] != self.REGION or signer.signature(text, again) != match[5]:
            raise StoreRefusal(403, "SignatureDoesNotMatch")

    def _below(self, stage: Stage, path: str) -> dict[str, tuple[bytes, float]]:
        prefix = f"{stage.folder}/{path}"
        return {name: file for name, file in sorted(self._files.items()) if name.startswith(prefix)}

    def _list(self, stage: Stage, path: str) -> Result:
        found = self._below(stage, path)
        names = [stage.name.lower() + name.removeprefix(stage.folder) for name in found]
        times = [time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at)) for _, at in found.values()]
        sums = [hashlib.md5(content).hexdigest() for content, _ in found.values()]
        sizes = [len(content) for content, _ in found.values()]
        return table_of({"name": names, "size": sizes, "md5": sums, "last_modified": times}, numbers={"size"})

    def _remove(self, stage: Stage, path: str) -> Result:
        found = list(self._below(stage, path))
        for name in found:
            del self._files[name]
        return table_of({"name": found, "result": ["removed"] * len(found)})


def statement_of(sql: str) -> Statement | None:
    """The statement, if it is one of these."""
    word = sql.split(maxsplit=2)[:2]
    kind = " ".join(word) if word[:1] == ["CREATE"] else word[0] if word else ""
    if kind not in KINDS:
        return None
    match = re.search(_FULL_NAME, sql)
    return Statement(exp.Command(this=kind), kind, _key(match.groups()) if match else None, sql)


def reading_bind(sql: str) -> tuple[str, str | None]:
    """A statement that reads a file, as one that binds its rows last, and the location of the file."""
    match = _READ.search(sql)
    if match is None:
        return sql, None
    return sql[: match.start()] + _BOUND + sql[match.end() :], match[1]


def _key(names: tuple[str, ...] | tuple[Any, ...]) -> TableKey:
    database, schema, name = (_unquoted(name).upper() for name in names)
    return database, schema, name


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"')


def store_path(request: Request) -> str:
    """The path of an upload below its store."""
    return unquote(request.path_params["path"])
