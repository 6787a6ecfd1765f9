"""What a job is, the states it may be in, and where it is stored."""
