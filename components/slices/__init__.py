"""Parts of the test rows, measured by themselves."""
