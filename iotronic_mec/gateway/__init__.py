"""The HTTP side of the front process: both origins, no rules, no database."""
