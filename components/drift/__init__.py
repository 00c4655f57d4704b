"""Whether rows are like those that a model was trained on: a sample of each, and tests between."""
