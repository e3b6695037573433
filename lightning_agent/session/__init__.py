"""The board's session with the cloud: joining, keeping, ending, and what runs over it."""
