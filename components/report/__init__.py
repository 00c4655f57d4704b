"""The page that a person decides from."""
