"""Simulated drives: routes, vehicle motion, wheel odometry and a ray-cast depth camera."""
