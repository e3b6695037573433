"""Name servers: the records that lead to boards."""
