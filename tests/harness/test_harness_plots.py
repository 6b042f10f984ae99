from xml.etree import ElementTree as ET

import pytest
from harness_cases import results_of, run

from benchmarks.harness import plots

SIZES = {"1 session": 1, "10 sessions": 10, "100 sessions": 100}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    live = [
        run(name, scenario="live", variant=variant, cpu_share=size / 200, p99_ms=1.0 + size, talking_kib_a_session=50.0)
        for name in ("engine", "seed")
        for variant, size in SIZES.items()
    ]
    cut_in = [
        run(name, scenario="barge-in", variant=variant, told_ms=told_ms)
        for name, variant, told_ms in (("engine", "30 s queued", 60.0), ("seed", "30 s queued", 29_000.0))
    ]
    bursts = [run(name, at, cpu_us_per_event=10.0 + at) for name in ("engine", "seed", "floor_picows") for at in (0, 1)]
    failed = run("engine", scenario="churn", outcome="error", words="it broke")
    folder = tmp_path_factory.mktemp("plots")
    return plots.draw(results_of(*live, *cut_in, *bursts, failed), folder)


def test_each_scenario_that_was_measured_is_a_png_and_an_svg(drawn):
    assert sorted(file.name for file in drawn) == sorted(
        f"{name}.{kind}" for name in ("live", "barge-in", "burst") for kind in ("png", "svg")
    )
    for file in drawn:
        if file.suffix == ".png":
            assert file.read_bytes().startswith(b"\x89PNG")
        else:
            assert ET.parse(file).getroot().tag.endswith("svg")


def test_curves_have_a_mark_for_each_load_and_contender(drawn):
    svg = next(file for file in drawn if file.name == "live.svg").read_text()
    # Three panels, two contenders with three loads each; and one mark each in the legend.
    assert svg.count("<use ") >= 3 * 2 * 3


def test_ours_stands_out(drawn):
    svg = next(file for file in drawn if file.name == "burst.svg").read_text()
    assert plots.OURS_COLOUR in svg
    assert plots.SEED_COLOUR in svg
    assert plots.colour("engine-100ms") == plots.OURS_COLOUR
