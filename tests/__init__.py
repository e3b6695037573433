"""The tests. Fakes and helpers below are imported as ``tests.<name>``."""
