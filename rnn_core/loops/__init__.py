"""Training, evaluation and prediction: the loops over batches."""
