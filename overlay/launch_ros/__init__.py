"""Stand-in for launch_ros: nodes, namespaces and parameters on the launch stand-in beside it."""
