"""What settings are made of: the base model, and the kinds of value that a setting takes.

Rules: pure, and knows no setting of its own. Each package that has settings (rules, receivers,
sources, providers) defines its models from these pieces; the validated model is the value that
the package works with. `watcher.config` reads files and gives mistakes their place in them.
"""
