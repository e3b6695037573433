"""The outbox of events: written with the change, relayed after it.

Everything that reacts to a change is a consumer; nobody polls tables and
nobody calls upwards.
"""
