"""Cells that a user brings: their variables, the names of these, and the wrappers of ``tf.nn``."""
