"""What `health` tells, as diagnostic_msgs (REP-107), once a second."""

from __future__ import annotations

from collections.abc import Iterable

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from mdps_ros.notes import Severity
from mdps_ros.runtime.health import Condition

PERIOD_S = 1.0
LEVELS = {
    Severity.INFO: DiagnosticStatus.OK,
    Severity.WARN: DiagnosticStatus.WARN,
    Severity.ERROR: DiagnosticStatus.ERROR,
}


def diagnostics_message(
    conditions: Iterable[Condition], stamp: Time, node: str, hardware: str
) -> DiagnosticArray:
    """One status per condition.

    Args:
        conditions: what to tell.
        stamp: now, by the node's clock.
        node: name of the node, the first part of every status' name.
        hardware: what the numbers belong to, here the map's id.
    """
    made = DiagnosticArray()
    made.header.stamp = stamp
    for condition in conditions:
        made.status.append(
            DiagnosticStatus(
                level=LEVELS[condition.severity],
                name=f"{node}: {condition.name}",
                message=condition.text,
                hardware_id=hardware,
                values=[KeyValue(key=key, value=text) for key, text in condition.values.items()],
            )
        )
    return made
