"""Figures against their floors: ``tox -e bench``.

Each figure is one JSON line ``{"name", "value", "floor", "ratio", "goal",
"ok"}``; the floor is measured in the same run, in turns with the product. The
raw samples are kept in ``benchmarks/out``. Nothing here is a test.
"""
