"""The HTML page about a run, for the person who decides on the model."""
