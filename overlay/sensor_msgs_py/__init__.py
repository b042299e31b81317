"""Stand-in for sensor_msgs_py: point clouds as numpy arrays."""
