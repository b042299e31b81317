"""What a bad map file raises."""

from __future__ import annotations


class MapError(ValueError):
    """A map cannot be read or used. The message is one line and names the remedy."""


class MissingMapError(MapError):
    """There is no such map."""


class MapHeaderError(MapError):
    """What describes an occupancy map, its YAML file, is wrong."""
