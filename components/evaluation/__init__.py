"""Predictions become metrics, and metrics a decision."""
