"""Errors of files that cannot be used; every text names the remedy."""

from __future__ import annotations


class DataError(ValueError):
    """A data file or folder is missing, incomplete or not what it should be."""


class BagError(DataError):
    """A rosbag2 recording cannot be written or read."""
