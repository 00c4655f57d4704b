"""Measurements in processes of their own, which run in interleaved windows."""
