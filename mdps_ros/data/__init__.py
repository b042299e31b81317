"""Drives on disk: rosbag2 recordings, the KITTI odometry benchmark, TUM trajectory files."""
