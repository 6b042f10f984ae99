"""Each lesson has its tests, each test its lesson, and the docs tell of all."""

import ast
import re
from pathlib import Path

import pytest
from lessons import LESSONS, table

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/design/lessons.md"
FILES = sorted(set(HERE.glob("test_lessons_*.py")) - {Path(__file__)})


def written_in(path):
    """Give the tests of a file, with their docstrings."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, functions)]
    return {node.name: ast.get_docstring(node) or "" for node in nodes if node.name.startswith("test_")}


def issues(text):
    """Give the projects and numbers that a text names, each number with its project."""
    found, project = set(), ""
    for word in re.findall(r"[A-Za-z][\w-]+(?=(?: PR)? #\d)|#\d+", text):
        if word.startswith("#"):
            found.add((project, word))
        elif word != "PR":
            project = word
    return found


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.where)
def test_each_report_of_a_lesson_is_named_by_its_tests(lesson):
    told = set()
    for name, tests in lesson.tests.items():
        docstrings = written_in(HERE / f"test_lessons_{name}.py")
        for test in tests:
            about = issues(docstrings[test])
            assert about
            assert about <= issues(lesson.where)
            told |= about
    assert told == issues(lesson.where)


def test_each_test_belongs_to_one_lesson():
    claimed = [f"{name}:{test}" for lesson in LESSONS for name, tests in lesson.tests.items() for test in tests]
    there = [f"{path.stem.removeprefix('test_lessons_')}:{test}" for path in FILES for test in written_in(path)]

    assert sorted(claimed) == sorted(there)


def test_the_page_shows_the_table():
    assert table() in PAGE.read_text("utf-8")
