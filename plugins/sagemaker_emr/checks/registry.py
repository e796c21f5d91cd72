"""The checks that exist: every function under :func:`check` in a file of ``diagnosis/``."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from sagemaker_emr.checks.finding import Finding, Verdict, not_checked
from sagemaker_emr.checks.platform import NotKnown, Platform

log = logging.getLogger(__name__)

Diagnose = Callable[[Platform], Iterable[Finding]]


@dataclass(frozen=True)
class Check:
    """A check, by the name of its function.

    :param title: what must hold.
    :param symptom: what a user sees where it does not.
    :param after: run after the checks that do not say so; sees their findings as ``platform.findings``.
    """

    name: str
    title: str
    symptom: str
    run: Diagnose
    after: bool = False

    def findings(self, platform: Platform) -> Iterator[Finding]:
        """Run it. An error while reading becomes *not checked*, and never hides another check's findings."""
        for finding in self._tolerantly(platform):
            symptom = finding.symptom or (self.symptom if finding.verdict is Verdict.FAILED else "")
            yield replace(finding, check=self.name, title=self.title, symptom=symptom)

    def _tolerantly(self, platform: Platform) -> Iterator[Finding]:
        count = 0
        try:
            for finding in self.run(platform):
                count += 1
                yield finding
        except NotKnown as unknown:
            yield not_checked(str(unknown))
        except (BotoCoreError, ClientError) as error:
            yield not_checked(str(error), fix=_permission(error))
        except Exception as error:
            log.exception("Check %s failed", self.name)
            yield not_checked(f"the check itself failed: {type(error).__name__}: {error}")
        else:
            if not count:
                yield not_checked("the check found nothing to look at")


_checks: dict[str, Check] = {}


def check(title: str, *, symptom: str, after: bool = False) -> Callable[[Diagnose], Diagnose]:
    """Register a function as a check; its name is the check's name, its docstring says what it reads.

    :raises ValueError: another check has the name.
    """

    def register(function: Diagnose) -> Diagnose:
        name = function.__name__
        known = _checks.get(name)
        if known is not None and known.run.__module__ != function.__module__:
            raise ValueError(f"two checks are called {name}: {known.run.__module__}, {function.__module__}")
        _checks[name] = Check(name, title, symptom, function, after)
        return function

    return register


def registered() -> list[Check]:
    """All checks, in the order they run: by the name of their file, those that run after others last."""
    from sagemaker_emr.checks import diagnosis

    for module in sorted(found.name for found in pkgutil.iter_modules(diagnosis.__path__)):
        importlib.import_module(f"{diagnosis.__name__}.{module}")
    ordered = sorted(_checks.values(), key=lambda found: found.run.__module__)
    return sorted(ordered, key=lambda found: found.after)


def diagnose(platform: Platform) -> list[Finding]:
    """Run every check."""
    for found in registered():
        platform.findings.extend(list(found.findings(platform)))
    return platform.findings


def _permission(error: Exception) -> str:
    """What to allow, where a call was refused."""
    if not isinstance(error, ClientError):
        return ""
    code = error.response.get("Error", {}).get("Code", "")
    if "AccessDenied" in code or code in ("UnauthorizedOperation", "AuthorizationError"):
        return f"Allow Airflow's role to call {error.operation_name}, then check again."
    return ""
