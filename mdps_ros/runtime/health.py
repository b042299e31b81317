"""How a node is doing, as its diagnostics tell it: rates, ages, drops, latency, state.

Counts come in from the executor's and the worker's thread; `conditions` may be asked for by
either. The clock is handed in.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mdps_ros.notes import Note, Severity
from mdps_ros.runtime.outputs import PoseEstimate, State
from mdps_ros.runtime.smoothing.pace import Progress

WINDOW_S = 5.0
"""Rates and fresh trouble are those of this time."""
TIMINGS = 200
"""Updates over which times are summarised."""

BEHIND_S = 1.0
"""That the work may be behind the newest odometry."""
LESS_WORK = (
    "a search over a large map takes long: give an initialpose, a heading or a smaller map; where "
    "it tracks, raise filter.update_distance or lower the image rate; or play the bag slower"
)

STATES = {
    State.UNINITIALIZED: (Severity.WARN, "no odometry has come yet"),
    State.GLOBAL: (Severity.WARN, "no place is claimed yet; drive on, or send an initialpose"),
    State.AMBIGUOUS: (Severity.WARN, "several places fit; the last claim is withdrawn"),
    State.TRACKING: (Severity.INFO, "tracking"),
    State.LOST: (Severity.ERROR, "the claimed place fits no more; the search begins anew"),
    State.RECOVERING: (Severity.WARN, "was lost; searching, or found and not confirmed yet"),
}


@dataclass(frozen=True, slots=True)
class Expected:
    """An input that should come.

    Attributes:
        name: of its topic.
        silence_s: longest silence that is all right.
        severity: of a longer one.
    """

    name: str
    silence_s: float
    severity: Severity


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of the diagnostics: what, how bad, in words, and the numbers behind."""

    name: str
    severity: Severity
    text: str
    values: Mapping[str, str]


class Health:
    """Collects what the diagnostics tell.

    Args:
        inputs: the inputs that should come.
        facts: conditions that seldom change, such as the map.
    """

    def __init__(self, inputs: tuple[Expected, ...], facts: tuple[Condition, ...]) -> None:
        self._lock = threading.Lock()
        self._arrivals: dict[str, deque[float]] = {item.name: deque() for item in inputs}
        self.know(inputs, facts)
        self._counts = Counter[str]()
        self._trouble = Counter[str]()
        self._last_trouble: tuple[float, Note] | None = None
        self._work_s: deque[float] = deque(maxlen=TIMINGS)
        self._latency_s: deque[float] = deque(maxlen=TIMINGS)
        self._smoothing_s: deque[float] = deque(maxlen=TIMINGS)
        self._progress: Progress | None = None
        self._unsmoothed: str | None = None
        self._estimate: PoseEstimate | None = None
        self._since_s: float | None = None
        self._used = self._dropped = 0
        self._heard_ns = 0  # newest odometry
        self._waiting_ns: int | None = None  # since when odometry waits; None where none does
        self._worked = False  # whether any odometry was worked on

    def know(self, inputs: tuple[Expected, ...], facts: tuple[Condition, ...]) -> None:
        """Tell of other facts and by other limits from now on; names of inputs stay."""
        with self._lock:
            self._inputs, self._facts = inputs, facts

    def begin(self, now_s: float) -> None:
        """The node was activated."""
        with self._lock:
            self._since_s = now_s
            self._heard_ns, self._waiting_ns, self._worked = 0, None, False

    def heard(self, name: str, now_s: float) -> None:
        """A message of an input arrived; one that need not come is not told of."""
        if name not in self._arrivals:
            return
        with self._lock:
            self._counts[name] += 1
            arrivals = self._arrivals[name]
            arrivals.append(now_s)
            while arrivals[0] < now_s - WINDOW_S:
                arrivals.popleft()

    def noted(self, note: Note, now_s: float) -> None:
        """Something happened."""
        if note.severity is not Severity.INFO:
            with self._lock:
                self._trouble[note.code.value] += 1
                self._last_trouble = (now_s, note)

    def worked(self, seconds: float, latency_s: float | None) -> None:
        """An update took that long, and was done that long after its stamp."""
        with self._lock:
            self._work_s.append(seconds)
            if latency_s is not None:
                self._latency_s.append(latency_s)

    def smoothed(self, progress: Progress) -> None:
        """The smoother went over its window once more."""
        with self._lock:
            self._progress = progress
            self._smoothing_s.append(progress.seconds)

    def smoothing_ended(self, text: str) -> None:
        """There will be no more smoothed trajectories, for this reason."""
        with self._lock:
            self._unsmoothed = text

    def reported(self, estimate: PoseEstimate | None, used: int, dropped: int) -> None:
        """Newest estimate, and frames used and dropped so far."""
        with self._lock:
            self._estimate, self._used, self._dropped = estimate, used, dropped

    def odometry(self, *, heard_ns: int | None = None, worked_ns: int | None = None) -> None:
        """Odometry of that stamp came, or was worked on."""
        with self._lock:
            if heard_ns is not None:
                self._heard_ns = heard_ns
                # odometry that paused while nothing waited has left no work behind
                self._waiting_ns = heard_ns if self._waiting_ns is None else self._waiting_ns
            if worked_ns is not None:
                self._worked = True
                self._waiting_ns = None if worked_ns >= self._heard_ns else worked_ns

    @property
    def behind_s(self) -> float:
        """How far the work is behind the newest odometry, s."""
        waiting_ns = self._waiting_ns
        # before the first odometry was worked on there is nothing to be behind of
        if waiting_ns is None or not self._worked:
            return 0.0
        return max(self._heard_ns - waiting_ns, 0) * 1e-9

    def conditions(self, now_s: float) -> tuple[Condition, ...]:
        """All lines, by the same clock as the arrivals."""
        with self._lock:
            return (
                self._localization(),
                self._input_condition(now_s),
                self._drops(now_s),
                self._timing(),
                *self._smoothing(),
                *self._facts,
            )

    def missing(self, now_s: float) -> str:
        """Which inputs do not come, and what to do; empty where all do."""
        with self._lock:
            condition = self._input_condition(now_s)
        return "" if condition.severity is Severity.INFO else condition.text

    def reason(self, now_s: float) -> str:
        """What the state is due to: inputs that do not come, else what the state means."""
        with self._lock:
            state = self._localization()
            inputs = self._input_condition(now_s)
            behind_s = self.behind_s
        texts = [state.text]
        if inputs.severity is not Severity.INFO:
            texts.append(inputs.text)
        if behind_s > BEHIND_S:
            texts.append(f"{behind_s:.1f} s behind the odometry")
        return "; ".join(texts)

    def _localization(self) -> Condition:
        estimate = self._estimate
        state = State.UNINITIALIZED if estimate is None else estimate.state
        severity, text = STATES[state]
        values = {"state": state.name}
        if estimate is not None:
            top = estimate.modes[0]
            spread = np.linalg.eigvalsh(top.covariance[:2, :2])[-1]
            values |= {
                "particles": str(estimate.particles),
                "effective particles": f"{estimate.effective_particles:.0f}",
                "entropy [nats]": f"{estimate.entropy:.2f}",
                "hypotheses": str(len(estimate.modes)),
                "share of the heaviest": f"{top.mass:.3f}",
                "position sd [m]": f"{max(float(spread), 0.0) ** 0.5:.3f}",
                "yaw sd [rad]": f"{max(float(top.covariance[2, 2]), 0.0) ** 0.5:.4f}",
                "travelled [m]": f"{estimate.travelled:.1f}",
                "evidence against it [nats]": f"{estimate.against:.2f}",
                "measurements": " ".join(estimate.measurements) or "none",
            }
        return Condition("localization", severity, text, values)

    def _input_condition(self, now_s: float) -> Condition:
        severity, texts, values = Severity.INFO, [], {}
        for item in self._inputs:
            arrivals = self._arrivals[item.name]
            recent = [at for at in arrivals if at >= now_s - WINDOW_S]
            span = recent[-1] - recent[0] if len(recent) > 1 else 0.0
            rate = (len(recent) - 1) / span if span > 0.0 else 0.0
            last = arrivals[-1] if arrivals else self._since_s
            age = 0.0 if last is None else now_s - last
            values[f"{item.name} messages"] = str(self._counts[item.name])
            values[f"{item.name} rate [Hz]"] = f"{rate:.1f}"
            values[f"{item.name} age [s]"] = f"{age:.2f}" if arrivals else "never"
            if age > item.silence_s:
                severity = max(severity, item.severity)
                texts.append(f"no {item.name} for {age:.1f} s; check its topic and QoS")
        return Condition("inputs", severity, "; ".join(texts) or "all inputs come", values)

    def _drops(self, now_s: float) -> Condition:
        values = {"frames used": str(self._used), "frames dropped": str(self._dropped)}
        values |= {f"notes {code}": str(count) for code, count in sorted(self._trouble.items())}
        severity, text = Severity.INFO, "nothing dropped lately"
        if self._last_trouble is not None:
            at, note = self._last_trouble
            values["last note"] = note.text
            if now_s - at <= WINDOW_S:
                severity, text = note.severity, note.text
        return Condition("dropped", severity, text, values)

    def _timing(self) -> Condition:
        values = {}
        for name, times in (("update", self._work_s), ("stamp to pose", self._latency_s)):
            if times:
                middle, high = np.percentile(list(times), (50, 95))
                values[f"{name} p50 [s]"] = f"{middle:.4f}"
                values[f"{name} p95 [s]"] = f"{high:.4f}"
        behind_s = self.behind_s
        values["behind the odometry [s]"] = f"{behind_s:.2f}"
        if behind_s > BEHIND_S:
            text = f"{behind_s:.1f} s behind the odometry: {LESS_WORK}"
            return Condition("timing", Severity.WARN, text, values)
        text = "measured" if self._work_s else "no update yet"
        return Condition("timing", Severity.INFO, text, values)

    def _smoothing(self) -> tuple[Condition, ...]:
        """One line as soon as something was smoothed, or will no more be."""
        if self._progress is None and self._unsmoothed is None:
            return ()
        severity, text, values = Severity.INFO, "keeps up", {}
        if self._progress is not None:
            progress = self._progress
            middle, high = np.percentile(list(self._smoothing_s), (50, 95))
            values = {
                "poses": str(progress.frames),
                "part of the lag": f"{progress.part:.3g}",
                "revisions left out": str(progress.left_out),
                "walk p50 [s]": f"{middle:.4f}",
                "walk p95 [s]": f"{high:.4f}",
            }
            if progress.part < 1.0:
                severity, text = Severity.WARN, "cannot keep up; the window is cut"
        if self._unsmoothed is not None:
            severity, text = Severity.ERROR, self._unsmoothed
        return (Condition("smoothing", severity, text, values),)
