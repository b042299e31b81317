"""What the numbers of a run mean, in a few words, for those who meet them first."""

from __future__ import annotations

import re

from mdps_ros.evaluation.metrics import CLAIM_MASS, CLAIM_RADIUS_M, HOLD_M

MEANINGS = {
    "name": "",
    "seed": "of the filter's randomness",
    "converged_after_m": f"travel to the first right claim that stays right for {HOLD_M:.0f} m; "
    f"a claim: one place within {CLAIM_RADIUS_M:.0f} m holds {100 * CLAIM_MASS:.0f} % of the "
    f"belief; right: within {CLAIM_RADIUS_M:.0f} m. What follows down to consistent_share is from "
    "there on",
    "median_error_m": "position, half of the frames are better",
    "mean_error_m": "position",
    "p95_error_m": "position, 95 % of the frames are better",
    "median_lateral_m": "across the vehicle",
    "median_longitudinal_m": "along the vehicle",
    "median_heading_deg": "heading",
    "consistent_share": "frames whose error lies in the region that should hold 95 %",
    "wrong_claim_share": f"of all claims, those more than {CLAIM_RADIUS_M:.0f} m off",
    "longest_wrong_claim_m": "travel during the longest of them",
    "claim_share": "of all frames, those that claim a place",
    "frames": "updates with a truth",
    "travelled_m": "by the odometer",
    "drive_seconds": "length of the drive",
    "particles_max": "most particles at a time",
    "particles_median": "particles in half of the updates, or fewer",
    "seconds": "computing time",
}
"""Column -> meaning; see `meaning` for those of a radius or an angle."""


def meaning(column: str) -> str:
    """Of a column of `report.row_of`; empty where its name says all."""
    within = re.fullmatch(r"(heading_)?recall_at_(\d+)(m|deg)", column)
    if within is None:
        return MEANINGS.get(column, "")
    what = "heading" if within[1] else "position"
    unit = "degrees" if within[3] == "deg" else "m"
    return f"share of the frames with the {what} within {within[2]} {unit}"
