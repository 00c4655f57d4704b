"""The models in MLflow's registry, and which of them serves."""
