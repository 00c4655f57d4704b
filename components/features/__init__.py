"""The kinds of features: one module each, with everything that the pipeline knows of the kind."""
