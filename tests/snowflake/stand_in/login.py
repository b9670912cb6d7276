"""Whether somebody may log in, and what a login answers."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .errors import Refusal
from .options import Options

#: Snowflake takes a JWT for an hour at most, whatever it says itself.
_LONGEST_TOKEN = 3600


def check(options: Options, data: dict[str, Any]) -> None:
    """Raises why the login is refused."""
    user, account = data["LOGIN_NAME"].upper(), data["ACCOUNT_NAME"].upper()
    if data.get("AUTHENTICATOR") == "SNOWFLAKE_JWT":
        _check_key(options.public_keys.get(user), data["TOKEN"], account.split(".")[0], user)
    elif options.passwords.get(user) != data.get("PASSWORD") or user not in options.passwords:
        raise Refusal("390100", "08001", "Incorrect username or password was specified.")


def _check_key(key: bytes | None, token: str, account: str, user: str) -> None:
    invalid = Refusal("394300", "08001", "JWT token is invalid.")
    if key is None:
        raise invalid
    public = serialization.load_pem_public_key(key)
    if not isinstance(public, RSAPublicKey):
        raise invalid
    try:
        head, body, signature = token.split(".")
        public.verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        claims = json.loads(_decoded(body))
    except (ValueError, InvalidSignature):
        raise invalid from None
    # The account's locator without its region, which drivers often get wrong.
    subject = f"{account}.{user}"
    if claims.get("sub") != subject or claims.get("iss") != f"{subject}.{_fingerprint(public)}":
        raise Refusal("394304", "08001", "JWT token is invalid: issuer or subject.")
    issued, expires = claims["iat"], claims["exp"]
    if not issued - 60 <= time.time() <= min(expires, issued + _LONGEST_TOKEN):
        raise Refusal("394301", "08001", "JWT token has expired.")


def _fingerprint(public: RSAPublicKey) -> str:
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


class Place:
    """Where a session works. Of what is not known the answer says null, as Snowflake's does; an unknown role is refused."""

    def __init__(self, options: Options, asked: dict[str, str]) -> None:
        self.role = asked.get("roleName", "PUBLIC").upper()
        if options.roles is not None and self.role not in options.roles:
            raise Refusal(
                "390189",
                "08001",
                f"Role '{self.role}' specified in the connect string does not exist or not authorized.",
            )
        self.warehouse = known(asked.get("warehouse"), options.warehouses)
        self.database = known(asked.get("databaseName"), options.databases)
        self.schema = known(asked.get("schemaName"), options.schemas) if self.database else None


def known(name: str | None, names: set[str] | None) -> str | None:
    """A name in upper case, if it is known."""
    if name is None:
        return None
    upper = name.upper()
    return upper if names is None or upper in names else None
