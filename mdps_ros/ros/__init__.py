"""The ROS 2 edge: the only folder that imports rclpy and message packages. Thin on purpose."""
