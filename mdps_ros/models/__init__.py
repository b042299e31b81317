"""Models that a filter is built of: motion, priors, measurements."""
