"""Preprocessing beside a plain program and beside a plain Beam pipeline that do the same."""
