"""Which versions of Strands the integration works with, and what it says of the others."""

from importlib import metadata

import pytest

pytest.importorskip("strands.bidi", reason="needs strands-agents>=1.58 in this environment")

from engine.integrations.strands import versions
from engine.integrations.strands.versions import Family, family, installed_family


@pytest.mark.parametrize("version", ["1.40.0", "1.54.0", "1.54.1rc1"])
def test_experimental_versions_with_a_protocol_are_classic(version):
    assert family(version) is Family.CLASSIC


@pytest.mark.parametrize("version", ["1.58.0", "1.62.0", "1.99"])
def test_versions_with_the_abstract_class_are_current(version):
    assert family(version) is Family.CURRENT


@pytest.mark.parametrize("version", ["1.39.9", "1.55.0", "1.57.2", "2.0.0", "0.3.0", "odd"])
def test_version_of_another_shape_is_refused_with_those_that_work(version):
    with pytest.raises(ImportError, match=r">=1\.40,<1\.55, or >=1\.58,<2\.0.*realtime-engine\[strands\]") as raised:
        family(version)
    assert version in str(raised.value)


def test_missing_strands_is_said_with_how_to_install_it(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions.metadata, "version", missing)
    with pytest.raises(ImportError, match=r"not installed \| pip install 'realtime-engine\[strands\]'"):
        installed_family()
