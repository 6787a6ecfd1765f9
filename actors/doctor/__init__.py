"""`rushes doctor`: whether all is there that a daemon of these settings needs, and what to do where it is not."""
