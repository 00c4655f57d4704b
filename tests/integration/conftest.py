"""What the tests of whole runs use; the one full run of a session is in ``tests/conftest.py``."""

from __future__ import annotations

from tests.projects import Project, make_project

__all__ = ["Project", "make_project"]
