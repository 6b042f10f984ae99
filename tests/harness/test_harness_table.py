from harness_cases import results_of, run

from benchmarks.harness import compare, table, wanted


def rows_of(page):
    return {line.split(" | ")[0].removeprefix("| "): line for line in page.splitlines() if line.startswith("| ")}


def burst(ours, theirs):
    return results_of(
        *(run("engine", at, cpu_us_per_event=value, lost=0) for at, value in enumerate(ours)),
        *(run("seed", at, cpu_us_per_event=value, lost=0) for at, value in enumerate(theirs)),
    )


def test_a_row_has_the_median_its_spread_and_the_ratio_to_the_seed():
    rows = rows_of(table.markdown(burst((10.0, 12.0, 11.0), (40.0, 44.0, 50.0))))
    assert "11.0 (10.0 to 12.0) · x0.25" in rows["engine"]
    assert "44.0 (40.0 to 50.0) · x1.00" in rows["the seed"]


def test_a_peer_that_crashed_is_a_row_that_says_so():
    results = results_of(run("engine", cpu_us_per_event=10.0), run("seed", outcome="error", words="crashed: SIGSEGV"))
    assert "*error*: crashed: SIGSEGV" in rows_of(table.markdown(results))["the seed"]


def test_a_run_that_failed_beside_others_is_a_note():
    results = results_of(run("seed", 0, cpu_us_per_event=10.0), run("seed", 1, outcome="error", words="it broke"))
    assert "- the seed, run 2: *error*: it broke" in table.markdown(results)


def test_where_the_server_was_the_limit_the_page_says_so():
    results = results_of(run("engine", cpu_us_per_event=10.0, limit="it used 97 % of its core"))
    assert "the load server was the limit: it used 97 % of its core" in table.markdown(results)


def test_words_flags_and_what_is_missing_are_shown_as_such():
    results = results_of(
        run("engine", 0, scenario="stall", variant="4 s", grown_mib=2.0, delivered=20_000, ended="connection kept"),
        run("engine", 0, scenario="stop", stop_s=0.0045, hangs=False),
        run("seed", 0, scenario="stop", stop_s=30.0, hangs=True),
        run("seed", 0, scenario="tools", p50_ms=None, unanswered=4),
    )
    page = table.markdown(results)
    assert "| engine | 2.0 | 20,000 | - | connection kept |" in page
    assert "| engine | 4.5 | no |" in page
    assert "| the seed | 30,000.0 | yes |" in page
    assert "| the seed | - | - | - | - | 4 |" in page


def test_what_was_asked_for_is_judged_by_the_median_of_ratios():
    holds, fails = (wanted.rows(burst((ours,) * 3, (100.0,) * 3)) for ours in (45.0, 46.0))
    assert [(row[1], row[2], row[3]) for row in holds] == [("0.45", "0.45 (0.45 to 0.45)", "yes")]
    assert [row[3] for row in fails] == ["**no**"]


def test_a_row_without_its_other_side_claims_nothing():
    [row] = wanted.rows(results_of(run("engine", cpu_us_per_event=1.0)))
    assert row[2:] == ("no ratio: a side was not measured", "-")


def test_a_bound_of_a_figure_needs_no_seed():
    [row] = wanted.rows(results_of(run("engine", scenario="stop", stop_s=0.25)))
    assert row == ("`stop()` with unread audio", "100 ms", "250 ms (250 ms to 250 ms)", "**no**")


def test_a_comparison_shows_what_moved_and_what_only_the_machine_did():
    before, now = burst((10.0,), (20.0,)), burst((20.0,), (40.0,))
    line = next(line for line in compare.markdown(now, before).splitlines() if "CPU per delta" in line)
    assert line.endswith("| 10.0 | 20.0 | x2.00 | x1.00 |")
