"""The error of this layer."""

from __future__ import annotations


class TrainingError(ValueError):
    """A recipe is wrong, or learning went wrong; the text says where and what to do."""
