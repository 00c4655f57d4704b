"""The processes that train together: who they are, their start, their supervision."""
