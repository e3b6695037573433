"""The lightning agent: the program on the board.

Nothing is imported here: the cloud imports ``lightning_agent.protocol`` and must not pull the
agent in with it.
"""
