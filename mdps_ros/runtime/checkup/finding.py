"""What a check of the set-up found: how bad, in words, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

from mdps_ros.notes import Severity

WORDS = {Severity.INFO: "pass", Severity.WARN: "warn", Severity.ERROR: "fail"}


class Finding(NamedTuple):
    """The answer of one check.

    Attributes:
        check: its name.
        severity: INFO is a pass, WARN may be meant so, ERROR will not work.
        text: what was found.
        remedy: what to do; "" after a pass.
    """

    check: str
    severity: Severity
    text: str
    remedy: str = ""

    @property
    def verdict(self) -> str:
        """Pass, warn or fail."""
        return WORDS[self.severity]

    @property
    def line(self) -> str:
        """All of it in one line."""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.verdict}  {self.check}: {self.text}{remedy}"


def passed(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Severity.INFO, text)


def warned(check: str, text: str, remedy: str) -> Finding:
    """It may work, and may be meant so."""
    return Finding(check, Severity.WARN, text, remedy)


def failed(check: str, text: str, remedy: str) -> Finding:
    """It will not work."""
    return Finding(check, Severity.ERROR, text, remedy)
