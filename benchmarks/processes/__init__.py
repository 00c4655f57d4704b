"""Measurements in processes of their own, which work by turns."""
