"""A job module whose import fails, as somebody else's package may."""

raise RuntimeError("no licence found")
