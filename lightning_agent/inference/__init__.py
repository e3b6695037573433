"""Inference engines behind one interface; used inside the sandbox only."""
