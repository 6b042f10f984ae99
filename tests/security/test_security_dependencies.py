"""Every dependency is bounded: below by what is known to work, above by the next version that may break it."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
OWN = "realtime-engine"


def read():
    project = PROJECT["project"]
    for name, lines in {"": project["dependencies"], **project["optional-dependencies"]}.items():
        for line in lines:
            if Requirement(line).name != OWN:
                yield pytest.param(Requirement(line), id=f"{name or 'core'}: {line}")
    for line in PROJECT["build-system"]["requires"]:
        yield pytest.param(Requirement(line), id=f"build: {line}")


REQUIREMENTS = list(read())


def bounds(requirement, *operators):
    return [Version(each.version) for each in requirement.specifier if each.operator in operators]


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_a_dependency_has_both_bounds(requirement):
    [lowest], [first_beyond] = bounds(requirement, ">="), bounds(requirement, "<")

    assert lowest < first_beyond


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_the_upper_bound_is_the_next_version_that_may_break(requirement):
    """The next major one; of a package below 1.0 that one, or the next minor one; of one numbered by years a year."""
    [first_beyond] = bounds(requirement, "<")

    assert re.fullmatch(r"\d+|0\.\d+", str(first_beyond))


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_what_is_installed_here_is_within(requirement):
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        pytest.skip(f"{requirement.name} is not installed")
    assert requirement.specifier.contains(installed, prereleases=True)


def test_a_package_has_the_same_bounds_wherever_it_is_named():
    named = {}
    for parameter in REQUIREMENTS:
        requirement = parameter.values[0]
        named.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert {name: found for name, found in named.items() if len(found) > 1} == {}
