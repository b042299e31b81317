"""Tests of mdps_ros.core."""
