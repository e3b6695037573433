"""Camera sources behind one interface, and the process that owns a camera."""
