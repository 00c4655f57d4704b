"""A trained model becomes a checked SavedModel that takes raw rows."""
