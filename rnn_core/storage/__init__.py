"""Checkpoints, event files and small files of a model directory."""
