"""Everything that holds state: the daemon and its actors."""
