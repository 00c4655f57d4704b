"""What a run records in MLflow, through a journal that survives its absence."""
