"""Real-time logic without ROS: events in, outputs out. Node and bag replay share it."""
