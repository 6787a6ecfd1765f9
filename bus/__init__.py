"""The contract and the transport. Knows no actor; see PROTOCOL.md beside this file."""
