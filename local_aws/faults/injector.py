"""What befalls each call, by the rules that were asked for."""

from __future__ import annotations

import io
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from statistics import NormalDist
from typing import Any

from moto.core.exceptions import ServiceException

from local_aws import clock
from local_aws.errors import Answer, answer
from local_aws.faults import codes, rules
from local_aws.faults.stale import History, Key, is_read
from local_aws.identify import Identity

Environ = dict[str, Any]
Application = Callable[[Environ, Identity], Answer]

Z_99 = NormalDist().inv_cdf(0.99)
HISTORY_MARGIN_SECONDS = 60.0


class Injected(ServiceException):
    """An error that was asked for."""


@dataclass
class Outcome:
    """How a call ended.

    :ivar answer: what the service answered, or None where it was not asked.
    :ivar lost: whether the caller gets no answer but a closed connection.
    :ivar faults: what befell the call.
    """

    answer: Answer | None = None
    lost: bool = False
    faults: list[dict[str, Any]] = field(default_factory=list)


class _Counted:
    """A rule, and how often it matched and hit."""

    def __init__(self, rule: rules.Rule, number: int, seed: int) -> None:
        self.rule = rule
        self._number = number
        self._seed = seed
        self._lock = threading.Lock()
        self._matched = 0
        self._hit = 0
        self._by_operation: Counter[tuple[str | None, str | None]] = Counter()

    def matches(self, identity: Identity, user_agent: str) -> bool:
        rule = self.rule
        return (
            fnmatchcase(identity.service or "", rule.service)
            and fnmatchcase(identity.operation or "", rule.operation)
            and fnmatchcase(user_agent, rule.user_agent)
        )

    def draw(self, identity: Identity) -> random.Random | None:
        """Count a matching call; the chances of what befalls it, or None where nothing does."""
        called = identity.service, identity.operation
        with self._lock:
            self._matched += 1
            self._by_operation[called] += 1
            chances = random.Random(f"{self._seed}/{self._number}/{called}/{self._by_operation[called]}")
            return chances if self._is_due(chances.random()) else None

    def _is_due(self, chance: float) -> bool:
        rule = self.rule
        if rule.times is not None and self._hit >= rule.times:
            return False
        if rule.nth is not None:
            return self._matched == rule.nth
        if rule.every is not None:
            return self._matched % rule.every == 0
        return rule.probability is None or chance < rule.probability

    def hit(self) -> bool:
        """Count a hit, unless another call was the last that may be hit."""
        with self._lock:
            if self.rule.times is not None and self._hit >= self.rule.times:
                return False
            self._hit += 1
            return True

    def noted(self, **details: Any) -> dict[str, Any]:
        """The hit, for the log of requests."""
        return {"rule": self._number, "kind": self.rule.kind, **details}

    def shown(self) -> dict[str, Any]:
        with self._lock:
            counts = {"matched": self._matched, "hit": self._hit}
        return {**self.rule.model_dump(exclude_none=True), **counts}


class _Running:
    """One plan, from its ``POST`` until the next or ``DELETE``."""

    def __init__(self, plan: rules.Plan) -> None:
        self.seed = plan.seed
        self.rules = [_Counted(rule, number, plan.seed) for number, rule in enumerate(plan.rules)]
        self.ended = threading.Event()
        stale = [rule.seconds for rule in plan.rules if isinstance(rule, rules.StaleReadsRule)]
        self._history = History(max(stale) + HISTORY_MARGIN_SECONDS) if stale else None

    def answered(self, environ: Environ, identity: Identity, application: Application) -> Outcome:
        user_agent = environ.get("HTTP_USER_AGENT", "")
        matching = [counted for counted in self.rules if counted.matches(identity, user_agent)]
        drawn = [(counted, chances) for counted in matching if (chances := counted.draw(identity))]
        outcome = Outcome()
        self._delay(drawn, outcome)
        remembered = any(isinstance(counted.rule, rules.StaleReadsRule) for counted in matching)
        key = _key(environ, identity) if remembered else ()
        begun = time.monotonic()
        for counted, _ in drawn:
            if self._befall(counted, environ, identity, key, outcome):
                break
        if outcome.lost and outcome.faults[-1]["kind"] == "connection_reset":
            return outcome
        refused = outcome.answer
        if refused is None or outcome.faults[-1]["kind"] == "stale_reads":
            true = application(environ, identity)
            self._remember(identity, key, begun, true)
            outcome.answer = refused or true
        return outcome

    def _delay(self, drawn: list[tuple[_Counted, random.Random]], outcome: Outcome) -> None:
        for counted, chances in drawn:
            rule = counted.rule
            if isinstance(rule, rules.LatencyRule) and counted.hit():
                seconds = _seconds(rule, chances)
                outcome.faults.append(counted.noted(seconds=round(seconds, 6), scaled=rule.scaled))
                self.ended.wait(clock.here(seconds) if rule.scaled else seconds)

    def _befall(
        self, counted: _Counted, environ: Environ, identity: Identity, key: Key, outcome: Outcome
    ) -> bool:
        """Let a rule decide; whether it did."""
        rule = counted.rule
        if isinstance(rule, rules.LatencyRule):
            return False
        stale = None
        if isinstance(rule, rules.StaleReadsRule):
            stale = self._stale(rule, environ, identity, key)
            if stale is None:
                return False
        if not counted.hit():
            return False
        outcome.faults.append(counted.noted())
        if stale is not None:
            outcome.answer = stale
        elif isinstance(rule, rules.ErrorRule):
            status = rule.status or codes.status(identity.service, rule.code)
            outcome.answer = _error(environ, identity, rule.code, rule.message, status)
        elif isinstance(rule, rules.ThrottlingRule):
            code, status = codes.throttling(identity.service)
            outcome.answer = _error(environ, identity, code, "Rate exceeded", status)
        else:
            outcome.lost = True
        return True

    def _stale(
        self, rule: rules.StaleReadsRule, environ: Environ, identity: Identity, key: Key
    ) -> Answer | None:
        if self._history is None or not is_read(identity):
            return None
        seconds = clock.here(rule.seconds) if rule.scaled else rule.seconds
        written, told = self._history.before(identity, key, seconds)
        if not written or told or rule.not_found is None:
            return told
        status = codes.status(identity.service, rule.not_found)
        return _error(environ, identity, rule.not_found, "It does not exist (yet)", status)

    def _remember(self, identity: Identity, key: Key, begun: float, true: Answer) -> None:
        if self._history is None:
            return
        if not is_read(identity):
            if true[0] < 400:
                self._history.wrote(identity, begun)
        elif key:
            self._history.read(key, true)


class Injector:
    """The faults of one server; none at first."""

    def __init__(self) -> None:
        self._running: _Running | None = None

    def replace(self, plan: rules.Plan) -> None:
        """Begin anew with these rules."""
        self.clear()
        self._running = _Running(plan)

    def clear(self) -> None:
        """End all faults, and the delays in progress."""
        running, self._running = self._running, None
        if running:
            running.ended.set()

    def shown(self) -> dict[str, Any]:
        """The rules, with how often each matched and hit."""
        running = self._running
        if running is None:
            return {"seed": None, "rules": []}
        return {"seed": running.seed, "rules": [counted.shown() for counted in running.rules]}

    def answered(self, environ: Environ, identity: Identity, application: Application) -> Outcome:
        """A call's answer, after whatever befell it."""
        running = self._running
        if running is None:
            return Outcome(application(environ, identity))
        return running.answered(environ, identity, application)


def _seconds(rule: rules.LatencyRule, chances: random.Random) -> float:
    if rule.median is None or rule.p99 is None:
        return rule.seconds or 0.0
    sigma = math.log(rule.p99 / rule.median) / Z_99
    return math.exp(math.log(rule.median) + sigma * chances.gauss(0, 1))


def _error(environ: Environ, identity: Identity, code: str, message: str, status: int) -> Answer:
    status, headers, body = answer(environ, identity, Injected(code, message), status)
    if environ["REQUEST_METHOD"] != "HEAD":
        return status, headers, body
    return status, [(name, value) for name, value in headers if name != "Content-Length"], b""


def _key(environ: Environ, identity: Identity) -> Key:
    """What makes two reads identical: all but the signature's date and value. The body stays readable."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    credential = environ.get("HTTP_AUTHORIZATION", "").partition(",")[0]
    target = environ.get("RAW_URI") or environ["PATH_INFO"]
    return identity, credential, environ["REQUEST_METHOD"], target, environ.get("HTTP_RANGE"), body
