"""Numbers and pictures of a run: errors, scores, result tables, reports. Imports no ROS."""
