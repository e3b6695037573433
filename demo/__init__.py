"""The demonstration: ``tox -e demo``."""
