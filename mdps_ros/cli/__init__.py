"""The command line: thin commands over the library; imports no ROS."""
