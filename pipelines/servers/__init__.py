"""The Prefect server of a run: where it is, when it is away, what it has to hear of old runs."""
