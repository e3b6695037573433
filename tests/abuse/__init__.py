"""The abuse suite: attacks by plugin code, through REST, on the agent of a real cloud."""
