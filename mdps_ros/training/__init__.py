"""Learning from labelled drives: what turns data into the tables and weights that models use."""
