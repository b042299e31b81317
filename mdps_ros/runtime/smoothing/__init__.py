"""Smoothing beside the filter: the window while driving, and a whole drive afterwards."""
