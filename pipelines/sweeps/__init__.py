"""Sweeps: many trainings of one config with other settings, held against the validation split."""
