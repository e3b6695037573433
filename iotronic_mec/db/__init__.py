"""Engine, sessions and types of the database; no queries of features."""
