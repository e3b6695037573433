"""The ``main`` functions: build the configuration, build the parts, run."""
