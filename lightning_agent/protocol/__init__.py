"""The words cloud and board share: names, messages, errors, version.

Standard library only. The cloud imports this package; it imports nothing of
the cloud and nothing else of the agent.
"""
