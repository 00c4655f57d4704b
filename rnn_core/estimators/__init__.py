"""The estimators, and training with evaluations."""
