"""Webhooks: events that are POSTed to other programs. One more client of the bus, a thread for each."""
