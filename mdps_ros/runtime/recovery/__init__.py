"""Whether the vehicle is where it is claimed to be, and where to look for it if not."""
