"""Asserts that stand in modules of ours, beside the tests, say what they saw."""

import pytest

pytest.register_assert_rewrite("strands_checks")
