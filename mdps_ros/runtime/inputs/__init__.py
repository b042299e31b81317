"""Messages to events: images, odometry, velocities; what waits, and what is refused."""
