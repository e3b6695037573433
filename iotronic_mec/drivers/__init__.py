"""Back ends behind interfaces of ours; one folder per family."""
