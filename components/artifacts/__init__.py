"""The values that pass between the stages, and how they are stored."""
