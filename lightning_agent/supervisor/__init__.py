"""The supervisor: the second process of a board, which owns all sandboxes.

Standard library and msgpack only, no Twisted; it outlives the agent.
"""
