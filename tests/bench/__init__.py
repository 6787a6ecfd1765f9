"""`make bench`: Rushes and its peers, in turn, on the same work. Nothing here is a test; numbers are told."""
