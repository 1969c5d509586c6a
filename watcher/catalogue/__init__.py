"""The catalogue: one table of the types of event, one table of a conversation's fields.

Rules: values and pure functions over `watcher.model`. What a table says is written in no other
place: names, defaults and checks everywhere else are derived from it. The simulators and the oracle
of the simulation keep tables of their own on purpose: they must not repeat a mistake made here.
"""
