"""What the stand-in refuses, with Snowflake's codes."""


class Refusal(Exception):
    """An answer with `success: false`."""

    def __init__(self, code: str, state: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.state = state
        self.message = message


class SessionRefusal(Refusal):
    """A refusal that concerns the session: Snowflake answers `data: null`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, "08001", message)


def session_gone() -> SessionRefusal:
    return SessionRefusal("390111", "Session no longer exists.  New login required to access the service.")


def session_expired() -> SessionRefusal:
    return SessionRefusal("390112", "Session has expired.  Renew the session token, or log in again.")


def master_expired() -> SessionRefusal:
    return SessionRefusal("390114", "Authentication token has expired.  The user must authenticate again.")


def lock_timeout(table: str) -> Refusal:
    return Refusal("000625", "57014", f"Statement has locked table '{table}' in another transaction and was aborted.")
