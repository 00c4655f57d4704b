"""The stages of the pipeline: plain functions from one small typed value to the next."""
