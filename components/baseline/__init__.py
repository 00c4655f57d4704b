"""A cheap model on the same rows, so that a person sees whether a recurrent one is worth it."""
