"""Calibration over many runs: figures with their standard errors, judged by bounds, and a picture.

Frames of a drive are not independent, so errors come from drives: these are drawn anew with
replacement, all runs and frames of a drive together (the cluster bootstrap; Field and Welsh, JRSS B
69, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from mdps_ros.evaluation.calibration import COUNTS, SHARE_EDGES, Floats, numbers
from mdps_ros.evaluation.pit import AXES
from mdps_ros.evaluation.results import Row, markdown_table

DRAWS = 1000
"""Of the bootstrap."""


class Sums(NamedTuple):
    """Sums over the frames of G sets of drives: each drive alone, or draws of the bootstrap."""

    claimed: Floats  # (G,) frames
    position_nees: Floats  # (G,)
    position_inside: Floats  # (G,) frames in the 95 % region
    heading_nees: Floats  # (G,)
    heading_inside: Floats  # (G,)
    pit: Floats  # (G, AXES, PIT_BINS) frames
    frames: Floats  # (G, bins of the share)
    mass: Floats  # (G, bins) sum of the shares
    inside: Floats  # (G, bins) frames
    near: Floats  # (G, bins) frames within 5 m
    reliable: Floats  # (G,) frames
    reliable_near: Floats  # (G,) frames

    def drawn(self, times: Floats) -> Sums:
        """Sums over (S, G) times each of the sets."""
        return Sums(*(np.tensordot(times, part, 1) for part in self))


Figure = Callable[[Sums], Floats]
"""(G,) values; NaN where there is nothing to tell."""


def pit_distance(counts: Floats) -> Floats:
    """Cramer-von Mises distance sqrt(int (F(u) - u)^2 du) of (..., bins) counts from uniform.

    F is linear within bins. A normal belief with three quarters of the spread that it should have
    gives 0.049, with half of it 0.109, with twice as much 0.113; one that is shifted by half a
    standard deviation 0.149.
    """
    total = counts.sum(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        above = np.cumsum(counts, -1) / total
    off = above - np.linspace(0.0, 1.0, counts.shape[-1] + 1)[1:]
    left = np.concatenate((np.zeros_like(off[..., :1]), off[..., :-1]), -1)
    squares = (left * left + left * off + off * off).mean(-1) / 3.0
    distance: Floats = np.sqrt(squares)
    return distance


def share_error(sums: Sums) -> Floats:
    """Expected calibration error: mean over frames of |share - how often it is right| of bins."""
    gap = np.abs(sums.mass - sums.inside).sum(-1)
    return ratio(gap, sums.frames.sum(-1))


def ratio(part: Floats, whole: Floats) -> Floats:
    """Their quotient; NaN where the whole is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(whole > 0.0, part / whole, np.nan)
    return found


class Bounded(NamedTuple):
    """A figure and the bounds that it is judged by."""

    of: Figure
    low: float
    high: float


FIGURES: Mapping[str, Bounded] = MappingProxyType(
    {
        "position_nees_mean": Bounded(lambda s: ratio(s.position_nees, s.claimed), 1.0, 4.0),
        "position_nees_95_share": Bounded(
            lambda s: ratio(s.position_inside, s.claimed), 0.90, 0.98
        ),
        "heading_nees_mean": Bounded(lambda s: ratio(s.heading_nees, s.claimed), 0.5, 2.0),
        "heading_nees_95_share": Bounded(lambda s: ratio(s.heading_inside, s.claimed), 0.90, 0.98),
        "pit_longitudinal_distance": Bounded(lambda s: pit_distance(s.pit[:, 0]), 0.0, 0.05),
        "pit_lateral_distance": Bounded(lambda s: pit_distance(s.pit[:, 1]), 0.0, 0.05),
        "pit_heading_distance": Bounded(lambda s: pit_distance(s.pit[:, 2]), 0.0, 0.05),
        "share_calibration_error": Bounded(share_error, 0.0, 0.05),
        "reliable_within_5m_share": Bounded(
            lambda s: ratio(s.reliable_near, s.reliable), 0.98, 1.0
        ),
    }
)
"""Name -> figure and bounds, which were set before anything was measured."""

_INTRODUCTION = """
## Calibration

`position_nees` (2 degrees of freedom; 2 on average when the covariance is honest) and
`heading_nees` (1) are the squared error by the covariance of the belief, over the frames that claim
a pose with 90 % of the belief; `_95_share` is the share of these in the region that should hold
95 %. `pit_*_distance` is how far the probability integral transform of the truth under the belief
is from uniform, as the root of the Cramer-von Mises integral (a normal belief with three quarters
of the spread that it should have gives 0.049, with half of it 0.109). `share_calibration_error` is
the mean over all frames of the difference between the share that the best hypothesis holds
(`top_mass` of the status) and how often the truth lies in its region, by bins;
`reliable_within_5m_share` is how often a pose called reliable is within 5 m. Each value stands with
its standard error over drives. The bounds in the first row were set beforehand; what lies outside
of them is marked.

"""


class Group(NamedTuple):
    """All runs of one method."""

    name: str
    drives: Sums  # one set per drive

    def draws(self) -> Sums:
        """Sums of the bootstrap's draws, the same for equal numbers of drives."""
        count = len(self.drives.claimed)
        rng = np.random.default_rng(count)
        times = rng.multinomial(count, np.full(count, 1 / count), DRAWS)
        return self.drives.drawn(times.astype(np.float64))

    def whole(self) -> Sums:
        """The sum over all drives, as the only set."""
        return self.drives.drawn(np.ones((1, len(self.drives.claimed))))


def by_name(row: Row) -> tuple[str, str]:
    """Method and drive of a row that is named after its method, its seed being the drive."""
    return str(row["name"]), str(row["seed"])


def groups_of(rows: Sequence[Row], key: Callable[[Row], tuple[str, str]] = by_name) -> list[Group]:
    """The runs that have calibration figures, by method and drive.

    Args:
        rows: with `calibration.figures`; others, as summaries of several runs, are passed over.
        key: method and drive of a row.
    """
    found: dict[str, dict[str, list[Sums]]] = {}
    for row in rows:
        if COUNTS[0] in row:
            method, drive = key(row)
            found.setdefault(method, {}).setdefault(drive, []).append(_sums(row))
    return [
        Group(
            method,
            Sums(*(np.stack(parts) for parts in zip(*map(_added, drives.values()), strict=True))),
        )
        for method, drives in found.items()
    ]


def _added(runs: Sequence[Sums]) -> Sums:
    return Sums(*(np.sum(parts, axis=0) for parts in zip(*runs, strict=True)))


def _sums(row: Row) -> Sums:
    def number(key: str) -> Floats:
        value = row[key]
        return np.array(float(value) if isinstance(value, (int, float)) else 0.0)

    claimed = number("claimed_frames")
    frames, mass, inside, near = (numbers(row[key]) for key in COUNTS[len(AXES) :])
    return Sums(
        claimed=claimed,
        position_nees=number("position_nees_mean") * claimed,
        position_inside=number("position_nees_95_share") * claimed,
        heading_nees=number("heading_nees_mean") * claimed,
        heading_inside=number("heading_nees_95_share") * claimed,
        pit=np.stack([numbers(row[f"pit_{axis}_counts"]) for axis in AXES]),
        frames=frames,
        mass=mass,
        inside=inside,
        near=near,
        reliable=number("reliable_frames"),
        reliable_near=number("reliable_within_5m_frames"),
    )


def totals(groups: Sequence[Group]) -> list[Row]:
    """One row per method: drives, every figure, its standard error `_se` and whether `_within`."""
    found = []
    for group in groups:
        whole, draws = group.whole(), group.draws()
        total: Row = {"name": group.name, "drives": len(group.drives.claimed)}
        for name, (of, low, high) in FIGURES.items():
            value = float(of(whole)[0])
            known = np.isfinite(value)
            total[name] = value if known else None
            several = known and len(group.drives.claimed) > 1
            total[f"{name}_se"] = float(np.nanstd(of(draws), ddof=1)) if several else None
            total[f"{name}_within"] = int(low <= value <= high) if known else None
        found.append(total)
    return found


def reliability(groups: Sequence[Group]) -> list[Row]:
    """One row per method and bin of the share that holds frames.

    How often the truth was in the hypothesis's region (`inside_share`, with its standard error), or
    within 5 m, where so much of the belief was.
    """
    found: list[Row] = []
    for group in groups:
        whole, draws = group.whole(), group.draws()
        mean, inside, near = (
            ratio(part, whole.frames)[0] for part in (whole.mass, whole.inside, whole.near)
        )
        error = ratio(draws.inside, draws.frames)
        found += [
            {
                "name": group.name,
                "share_from": SHARE_EDGES[index],
                "share_to": SHARE_EDGES[index + 1],
                "frames": int(whole.frames[0, index]),
                "mean_share": float(mean[index]),
                "inside_share": float(inside[index]),
                "inside_share_se": float(np.nanstd(error[:, index])),
                "within_5m_share": float(near[index]),
            }
            for index in np.flatnonzero(whole.frames[0])
        ]
    return found


def content(groups: Sequence[Group]) -> dict[str, list[Row]]:
    """What goes into a result file beside its rows."""
    return {"calibration": totals(groups), "reliability": reliability(groups)}


def table(groups: Sequence[Group]) -> str:
    """The figures as Markdown, under a row with their bounds."""
    bounds: Row = {"name": "bounds"}
    bounds |= {name: f"{low:g} to {high:g}" for name, (_, low, high) in FIGURES.items()}
    lines = [bounds]
    for total in totals(groups):
        line: Row = {"name": total["name"], "drives": total["drives"]}
        lines.append(line | {name: _cell(total, name) for name in FIGURES})
    return markdown_table(lines, ("name", "drives", *FIGURES))


def _cell(total: Row, name: str) -> str | None:
    value, error = total[name], total[f"{name}_se"]
    if value is None:
        return None
    text = f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"
    return text if total[f"{name}_within"] else f"{text} (outside)"


def section(json_file: Path, groups: Sequence[Group]) -> str:
    """The part of a page about calibration; draws its picture beside the result file.

    Args:
        json_file: `helsinki.json` makes `helsinki_calibration.png`.
        groups: of `groups_of`; of none there is nothing to say.
    """
    if not groups:
        return ""
    from mdps_ros.evaluation.calibration_figure import draw

    picture = json_file.with_name(f"{json_file.stem}_calibration.png")
    draw(picture, groups)
    return f"{_INTRODUCTION}{table(groups)}\n![Calibration]({picture.name})\n"


def write_page(json_file: Path, groups: Sequence[Group], title: str, command: str) -> None:
    """A page of its own, for results that have no other: NAME_calibration.md."""
    path = json_file.with_name(f"{json_file.stem}_calibration.md")
    text = f"# {title}\n\nMade by\n\n    {command}\n" + section(json_file, groups)
    path.write_text(text, encoding="utf-8")
