"""The passes over the rows, each a Beam pipeline, and what they leave for each other in files."""
