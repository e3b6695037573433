"""What the agent keeps on disk; everything here survives a kill at any moment."""
