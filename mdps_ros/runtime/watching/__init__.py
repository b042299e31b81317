"""Who looks on: overlays, pictures of the belief, records of incidents and of runs."""
