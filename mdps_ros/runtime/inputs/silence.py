"""Whether the cameras have been silent for so long that the filter goes on without them."""

from __future__ import annotations

from mdps_ros.notes import Code, Note, Severity


class CameraSilence:
    """Watches for images; a silence is told once.

    Args:
        expected: whether images of some kind are used at all.
        timeout: s of odometry time without an image.

    Attributes:
        expected, timeout: as given; may be set.
    """

    def __init__(self, expected: bool, timeout: float) -> None:
        self.expected = expected
        self.timeout = timeout
        self._first_ns: int | None = None
        self._told = False

    def begin(self, stamp_ns: int) -> None:
        """The first odometry: silence counts from here."""
        if self._first_ns is None:
            self._first_ns = stamp_ns

    def forget(self) -> None:
        """Another run begins."""
        self._first_ns = None

    def lasts(self, now_ns: int, newest_ns: int | None) -> bool:
        """Whether the filter goes on without images.

        Args:
            now_ns: stamp of the newest odometry.
            newest_ns: of the newest image; None before the first one.
        """
        if not self.expected:
            return True
        heard = self._first_ns if newest_ns is None else newest_ns
        silent = heard is not None and (now_ns - heard) * 1e-9 > self.timeout
        self._told &= silent
        return silent

    def note(self) -> tuple[Note, ...]:
        """What is to be told of a silence that lasts."""
        if self._told or not self.expected:
            return ()
        self._told = True
        text = "no image for a while; going on with odometry alone"
        return (Note(Code.CAMERA_SILENT, Severity.WARN, text),)
