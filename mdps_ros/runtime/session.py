"""One localization run: events in, outputs out. Live node and bag replay are this same code.

What triggers an update, so that the result does not depend on how topics interleave: odometry
only fills a buffer. While a camera is alive the filter steps at image stamps, once odometry
brackets them. Without a camera (all kinds of images off, or silent for `runtime.camera_timeout` of
odometry time) it steps at odometry stamps. Either way only after `filter.update_distance` of
travel since the last step at an image of that kind.
"""

from __future__ import annotations

from collections.abc import Callable

from mdps_ros.maps import Map
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.cameras import Cameras
from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.events import (
    Event,
    ImageEvent,
    InitialPoseEvent,
    MapEvent,
    OdometryEvent,
    PlaceEvent,
    RestoreEvent,
    SettingsEvent,
    UpdateNowEvent,
    WithdrawEvent,
)
from mdps_ros.runtime.ground import Ground
from mdps_ros.runtime.inputs.image_queue import ImageQueue
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample
from mdps_ros.runtime.inputs.silence import CameraSilence
from mdps_ros.runtime.keeping.belief_file import SavedBelief
from mdps_ros.runtime.live_settings import compare, told
from mdps_ros.runtime.localizer import Localizer
from mdps_ros.runtime.other_map import ReadyMap, carried_over, changed, make_ready
from mdps_ros.runtime.outputs import Output, State
from mdps_ros.runtime.places import Places
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.smoothing.smoother import Smoother
from mdps_ros.runtime.starts import Begun, Starts
from mdps_ros.runtime.stopwatch import Stopwatch
from mdps_ros.runtime.updates import Updates
from mdps_ros.runtime.watching.recent import Seen
from mdps_ros.settings import MapErrorSettings, Settings, with_values

REGRESSION_NS = 1_000_000_000  # stamps that go back further mean another run, e.g. a bag loop


class Session:
    """Turns odometry, images and requests into estimates, particles and notes.

    Single-threaded. It never logs, reads no clock and raises on no data: what cannot be used
    comes back as a note.
    """

    def __init__(
        self,
        map: Map,
        settings: Settings,
        watch: Callable[[FilterFrame | None], None] | None = None,
    ) -> None:
        """Build device, models and filter.

        Args:
            map: where the vehicle is.
            settings: the whole tree.
            watch: see the property; `smoother.enabled` goes on beside it.
        """
        self._map = map
        self._settings = settings
        self._device, self._pending_notes = choose_device(settings.runtime.device)
        device = self._device
        self._localizer = Localizer(map, settings, device)
        self._cameras = Cameras(map, settings, device)
        self._odometry = OdometryBuffer(settings.runtime.odometry_buffer)
        self._images = ImageQueue(settings.runtime.image_wait)
        self._silence = CameraSilence(self._cameras.any, settings.runtime.camera_timeout)
        self._places = Places(settings.place)
        self._updates = Updates(
            settings, self._localizer, self._cameras, self._places, self._odometry
        )
        self._updates.watch = watch
        if settings.smoother.enabled:
            self._updates.smoother = Smoother(settings, self._localizer.map_error, device)
        self._travel = self._updates.travel
        self._update_now = False
        self._starts = Starts(settings.start, self._localizer, self._updates, self._odometry)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def map_error(self) -> MapErrorSettings:
        """The map error that the filter reckons with; none on occupancy maps."""
        return self._localizer.map_error

    @property
    def ground(self) -> Ground:
        """The map, made ready for the filter."""
        return self._localizer.ground

    @property
    def takes_images(self) -> bool:
        """Whether images of some kind are used."""
        return self._cameras.any

    @property
    def recent(self) -> tuple[Seen, ...]:
        """What was seen last along the present odometry, the oldest first; a value."""
        return self._updates.recent.updates

    def make_ready(self, map: Map) -> ReadyMap:
        """Make a map ready for a MapEvent; in whatever thread. Raises as `other_map.make_ready`."""
        return make_ready(map, self._settings, self._device)

    def take_smoother(self) -> Smoother | None:
        """Leave smoothing to the caller, who sets `watch`; None where `smoother.enabled` is off."""
        taken, self._updates.smoother = self._updates.smoother, None
        return taken

    @property
    def watch(self) -> Callable[[FilterFrame | None], None] | None:
        """Called with what every update leaves for smoothers; None where nobody wants to know.

        Where the filter begins anew it is called with None.
        """
        return self._updates.watch

    @watch.setter
    def watch(self, watch: Callable[[FilterFrame | None], None] | None) -> None:
        self._updates.watch = watch

    @property
    def stopwatch(self) -> Stopwatch:
        """Times the stages of updates as soon as it has a clock."""
        return self._updates.stopwatch

    def handle(self, event: Event) -> tuple[Output, ...]:
        """Take one event in; answers are in the order in which they came about."""
        outputs: list[Output] = [*self._pending_notes]
        self._pending_notes = ()
        if isinstance(event, OdometryEvent):
            outputs += self._on_odometry(event)
        elif isinstance(event, ImageEvent):
            outputs += self._on_image(event)
        elif isinstance(event, InitialPoseEvent):
            outputs += self._begin(self._starts.at_pose(event))
        elif isinstance(event, PlaceEvent):
            # the first one is used at once, for a vehicle that stands
            fresh = not self._travel.has_looked(event.name)
            self._update_now |= self._places.hear(event) and fresh
        elif isinstance(event, UpdateNowEvent):
            self._update_now = True
        elif isinstance(event, SettingsEvent):
            outputs += self._adopt(event.settings)
        elif isinstance(event, RestoreEvent):
            outputs += self._restore(event.saved)
        elif isinstance(event, WithdrawEvent):
            outputs += self._begin(self._starts.withdraw(event.request, event.back))
        elif isinstance(event, MapEvent):
            outputs += self._change_map(event.ready)
        else:
            outputs += self._begin(self._starts.anywhere(event))
        return tuple(outputs)

    def held(self) -> SavedBelief | None:
        """All that is needed to go on later (see RestoreEvent); None while nothing is known.

        A value: whoever holds it may write it to a file while the session goes on.
        """
        held, last = self._localizer.held, self._travel.last
        if held is None or last is None:
            return None
        belief, fit = held
        return SavedBelief(
            map_id=self._map.id,
            state=self._updates.claims.state,
            stamp_ns=last.stamp_ns,
            T_odom_base=last.T_odom_base,
            travelled=self._travel.total(last),
            fit=fit,
            belief=belief,
        )

    # -- events ------------------------------------------------------------------------------

    def _on_odometry(self, event: OdometryEvent) -> list[Output]:
        notes: list[Output] = []
        self._starts.expect(event)
        newest = self._odometry.newest
        if newest is not None:
            step_ns = event.stamp_ns - newest.stamp_ns
            if step_ns < -REGRESSION_NS:
                notes.append(self._flush(-step_ns * 1e-9))
            elif step_ns * 1e-9 > self._settings.runtime.max_odometry_gap:
                notes.append(_gap(step_ns * 1e-9))
        if not self._odometry.add(event.stamp_ns, event.T_odom_base):
            return notes  # a duplicate or slightly late sample says nothing new
        self._silence.begin(event.stamp_ns)
        return [*notes, *self._begin(self._starts.due()), *self._drain()]

    def _on_image(self, event: ImageEvent) -> list[Output]:
        if not self._cameras.understands(event):
            return []
        return [*self._images.put(event), *self._drain()]

    def _restore(self, saved: SavedBelief) -> list[Output]:
        """Go on with a saved belief, unless the map was changed since it was read."""
        if saved.map_id == self._map.id:
            return self._begin(self._starts.with_saved(saved))
        text = "the saved belief is of another map, so it is left alone"
        return [Note(Code.STATE_FILE, Severity.WARN, text)]

    def _begin(self, begun: Begun) -> list[Output]:
        """Go on with what a request began."""
        self._update_now |= begun.update
        newest = self._odometry.newest
        answer = self._frame(newest, None) if begun.answer and newest is not None else []
        return [*begun.notes, *answer]

    def _change_map(self, ready: ReadyMap) -> list[Output]:
        """Go on on another map, with the belief where it can be carried over."""
        held, last, newest = self.held(), self._travel.last, self._odometry.newest
        tracked, belief = held is not None and held.state is State.TRACKING, None
        if held is not None and tracked:
            pose = self._localizer.summary().T_map_base
            belief = carried_over(held.belief, pose, self._map, ready.map)
        self._map, self._cameras = ready.map, ready.cameras
        self._places.clear()
        self._silence.expected = self._cameras.any
        self._cameras.adopt(self._settings)
        self._localizer.change_ground(ready.ground, belief)
        self._starts.change_map()  # what waits is of the map before
        self._updates.change_map(self._cameras)
        self._updates.adopt(self._settings)
        note = changed(self._map, tracked=tracked, carried=belief is not None)
        if held is None or last is None or newest is None:
            return [note]
        if belief is None:
            self._starts.begin_anywhere(self._localizer.global_prior(None))
        else:
            self._updates.begin(last, held.state, held.travelled)
        return [note, *self._begin(Begun(update=True, answer=True))]

    def _adopt(self, wanted: Settings) -> list[Output]:
        """Go on by other settings, as far as they are live."""
        changed = compare(self._settings, wanted).live
        if not changed:
            return []
        settings = self._settings = with_values(self._settings, changed)
        self._localizer.adopt(settings)
        self._cameras.adopt(settings)
        self._places.adopt(settings.place)
        self._silence.timeout = settings.runtime.camera_timeout
        self._updates.adopt(settings)
        return [told(changed)]

    # -- updates -----------------------------------------------------------------------------

    def _drain(self) -> list[Output]:
        """Step at every image that odometry covers, or at the odometry where no camera is."""
        outputs: list[Output] = []
        for taken in self._images.take(self._odometry):
            if isinstance(taken, Note):
                outputs.append(taken)
            elif self._travel.last is not None and taken[0].stamp_ns < self._travel.last.stamp_ns:
                note = self._updates.late(*taken, self._settings.filter.update_distance)
                outputs += [] if note is None else [note]
            else:
                outputs += self._frame(*taken)
        newest = self._odometry.newest
        if newest is None or not self._silence.lasts(newest.stamp_ns, self._images.newest_ns):
            return outputs
        return [*outputs, *self._silence.note(), *self._frame(newest, None)]

    def _frame(self, now: OdometrySample, image: ImageEvent | None) -> list[Output]:
        """One update at a stamp, unless the vehicle has hardly moved since the last."""
        outputs: list[Output] = []
        if not self._localizer.started:
            self._starts.unasked()
            outputs.append(Note(Code.STARTED, Severity.INFO, "started over the whole map"))
        motion, step = self._travel.step(now), self._settings.filter.update_distance
        if self._travel.last is None:
            self._updates.begin(now)
            travelled = step  # a first image counts, too
        else:
            travelled = motion.distance if image is None else self._travel.since(type(image), now)
            if travelled < step and not self._update_now:
                return outputs
        self._update_now = False
        outputs += self._updates.run(now, motion, image, max(travelled, step))
        self._starts.updated(now)
        return outputs

    def _flush(self, back: float) -> Note:
        """Time went back: forget buffers and belief, as at a bag's loop."""
        self._odometry.clear()
        self._images.clear()
        self._places.clear()
        self._silence.forget()
        self._travel.forget()
        self._updates.recent.forget()
        self._starts.unasked()
        self._updates.claims.begin()
        text = "odometry stamps went back; buffers cleared, started over the whole map"
        return Note(Code.STAMP_REGRESSION, Severity.WARN, text, {"back_s": back})


def _gap(seconds: float) -> Note:
    text = "odometry gap; the motion is bridged by its ends"
    return Note(Code.ODOMETRY_GAP, Severity.WARN, text, {"gap_s": seconds})
