"""The one error that a bad map file raises."""

from __future__ import annotations


class MapError(ValueError):
    """A map cannot be read or used. The message is one line and names the remedy."""
