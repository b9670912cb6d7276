"""Faults, as rules that tests post. A client knows nothing of them.

A rule is {"match", "nth", "times", "action"}: the `nth` (1) statement that the pattern is found in, and as many as `times` (1, 0
for all) from there on. Logins, renewals and uploads are matched as the texts `LOGIN <user>`, `RENEW <user>` and `UPLOAD <path>`.
Actions:

    slow:2              the answer is "in progress", the statement runs for two seconds more, the client must poll
    delay:2             the statement starts two seconds later, unless its client goes away
    lost                it is executed, and the connection closed without the answer
    crash_connection    the connection is closed, nothing is executed
    kill                the service forgets the session: 390111
    expire_session      the session token has expired: 390112
    expire_master       the master token, too: 390114
    http:503            a gateway answers, nothing is executed; 429 says Retry-After
    code:000625:57014   the statement fails with this code and SQL state
    truncate, drop      an upload is acknowledged, but half of it or nothing is stored
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ACTIONS = (
    r"(slow|delay):\d+(\.\d+)?|lost|crash_connection|kill|expire_session|expire_master|truncate|drop|http:\d{3}|code:\d{6}:\w{5}"
)


@dataclass
class Rule:
    """One rule, and how often it was met."""

    pattern: re.Pattern[str]
    nth: int
    times: int
    action: str
    met: int = 0
    fired: int = 0

    def meet(self, text: str) -> bool:
        """Whether the rule fires for this text."""
        if not self.pattern.search(text):
            return False
        self.met += 1
        if self.met < self.nth or (self.times and self.fired >= self.times):
            return False
        self.fired += 1
        return True

    def shown(self) -> dict[str, Any]:
        return {"match": self.pattern.pattern, "action": self.action, "met": self.met, "fired": self.fired}


@dataclass(frozen=True)
class Fault:
    """What is to happen to one request."""

    name: str
    argument: str

    @property
    def seconds(self) -> float:
        return float(self.argument)


class Faults:
    """The rules, in the order in which they came; the first that fires decides."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def add(self, given: dict[str, Any]) -> None:
        """Adds a rule; raises `ValueError`."""
        action = str(given.get("action", ""))
        if not re.fullmatch(_ACTIONS, action):
            raise ValueError(f"no such action: {action!r}")
        pattern = re.compile(str(given["match"]), re.IGNORECASE | re.DOTALL)
        self._rules.append(Rule(pattern, int(given.get("nth", 1)), int(given.get("times", 1)), action))

    def clear(self) -> None:
        self._rules.clear()

    def fired(self) -> list[dict[str, Any]]:
        """Every rule, and how often it has fired."""
        return [rule.shown() for rule in self._rules]

    def take(self, text: str) -> Fault | None:
        """The fault for this text."""
        fault = None
        for rule in self._rules:
            if rule.meet(text) and fault is None:
                name, _, argument = rule.action.partition(":")
                fault = Fault(name, argument)
        return fault
