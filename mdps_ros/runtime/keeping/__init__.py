"""The belief on disk: saved while driving, gone on with at the next start."""
