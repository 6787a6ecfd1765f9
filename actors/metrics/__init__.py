"""The daemon's metrics: one catalogue of them, where their numbers come from, and the port where they are read."""
