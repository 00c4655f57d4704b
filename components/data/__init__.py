"""Raw rows become preprocessed examples."""
