"""The rules of the architecture, and the reading of sources they stand on.

``sources`` reads, ``imports``, ``folders`` and ``shape`` hold one function for
each rule, ``rules`` lists them with their sentences, ``planted`` holds a small
tree that keeps every rule and, for each rule, a change that breaks it.
"""
