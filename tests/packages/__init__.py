"""Tests of what is handed out, by installing it; see ``tox -e packages``."""
