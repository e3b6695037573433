"""The commands: one file for each noun, one class for each verb."""
