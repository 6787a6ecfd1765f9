"""`rushes top`: all of a daemon on one screen. The one package that needs textual, imported when the command runs."""
