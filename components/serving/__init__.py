"""The champion over HTTP: checked rows, micro-batches, and a new version without a pause."""
