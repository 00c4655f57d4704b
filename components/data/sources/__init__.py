"""The sources of rows: one type for every format, and the table that chooses the format."""
