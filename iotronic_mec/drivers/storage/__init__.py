"""Where blobs' bytes are kept."""
