"""The command line: parse, send, print. It holds no state and imports nothing of the daemon."""
