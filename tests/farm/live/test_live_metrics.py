"""What Prometheus and OpenTelemetry are told of a run."""

import subprocess
import sys

import pytest
from made_up_runs import HOSTILE, figures, snapshot, worker
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from engine.farm.live.exported import EXPORTED
from engine.farm.live.prometheus import exposition
from engine.farm.live.telemetry import RunTelemetry, open_run_telemetry


def samples(accept="", **changes):
    body, _ = exposition(snapshot(**changes), accept)
    read = read_openmetrics if "openmetrics" in accept else read_text
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in read(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_prometheus_own_reader_reads_it(accept):
    read = samples(accept)

    assert read["realtime_farm_sessions_active",] == 48
    assert read["realtime_farm_sessions_done_total", ("status", "failed")] == 9
    assert read["realtime_farm_errors_total", ("kind", "rate_limited")] == 5
    assert read["realtime_farm_worker_up", ("worker", "worker-2")] == 0
    assert read["realtime_farm_worker_lag_seconds", ("worker", "worker-2")] == pytest.approx(0.24)
    assert read["realtime_farm_cost_usd_total",] == 1.234
    assert read["realtime_farm_run_info", ("plan", "spoken-prompts"), ("run", "1f3a9c02")] == 1


def test_latencies_are_histograms_that_add_up():
    read = samples()
    name = "realtime_farm_time_to_first_audio_seconds"
    buckets = [
        (float(dict([label])["le"]), value)
        for (own, *labels), value in read.items()
        if own == f"{name}_bucket"
        for label in labels
    ]
    counts = [count for _, count in sorted(buckets)]
    whole = figures()

    assert counts == sorted(counts)
    assert counts[-1] == read[f"{name}_count",] == 400
    assert read[f"{name}_sum",] == pytest.approx(whole.total("time_to_first_audio") / 1000)
    median = whole.percentile("time_to_first_audio", 50) / 1000
    assert dict(buckets)[0.4] < 200 <= dict(buckets)[0.5]
    assert 0.4 < median <= 0.5


def test_what_others_call_their_things_breaks_no_line():
    read = samples(name=HOSTILE + '"\n', workers=(worker(HOSTILE),))

    assert read["realtime_farm_run_info", ("plan", HOSTILE + '"\n'), ("run", "1f3a9c02")] == 1


def test_before_the_first_figures_there_are_none():
    assert exposition(None)[0].strip() == b""


def test_a_run_without_errors_and_workers_has_figures():
    read = samples(errors={}, workers=(), done={})

    assert read["realtime_farm_jobs",] == 500
    assert read["realtime_farm_sessions_done_total", ("status", "lost")] == 0
    assert read["realtime_farm_errors_total", ("kind", "rate_limited")] == 0


def test_a_run_without_an_end_has_no_number_of_jobs():
    assert ("realtime_farm_jobs",) not in samples(jobs=None)


def test_names_tell_kind_and_unit_as_prometheus_wants_them():
    body, _ = exposition(snapshot())
    ends = {"counter": ("_total",), "histogram": ("_seconds", "_ratio", "_usd", "_tokens")}
    for family in read_text(body.decode()):
        name = family.name + "_total" * (family.type == "counter")
        assert family.documentation.endswith("."), name
        assert name.startswith("realtime_farm_"), name
        assert name.endswith(ends.get(family.type, "")), name
    assert b"# TYPE realtime_farm_run_info gauge" in body
    assert b"realtime_farm_worker_cpu_utilization_ratio{" in body
    assert b"realtime_farm_start_rate_per_second " in body


@pytest.fixture
def reader():
    return InMemoryMetricReader()


def read_points(reader):
    data = reader.get_metrics_data()
    return {
        metric.name: {
            tuple(
                sorted(
                    value
                    for key, value in point.attributes.items()
                    if key not in {"realtime.farm.run", "realtime.farm.plan"}
                )
            ): point.value
            for point in metric.data.data_points
        }
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_opentelemetry_reads_the_newest_figures(reader):
    with_reader = MeterProvider([reader])
    telemetry = RunTelemetry(metrics, with_reader.get_meter("test"))
    telemetry.show(snapshot(active=1))
    telemetry.show(snapshot())
    read = read_points(reader)
    with_reader.shutdown()

    assert set(EXPORTED) <= set(read) | {name for name in EXPORTED if "dropped" in name}
    assert read["realtime.farm.sessions.active"] == {(): 48}
    assert read["realtime.farm.errors"][("connection",)] == 3
    latency = figures(60, slow=1.2, seed=2).percentile("time_to_first_audio", 95) / 1000
    assert read["realtime.farm.latency"][("p95", "time_to_first_audio")] == pytest.approx(latency)


def test_after_the_run_opentelemetry_reads_nothing_more(reader):
    provider = MeterProvider([reader])
    telemetry = RunTelemetry(metrics, provider.get_meter("test"))
    telemetry.show(snapshot())
    telemetry.close()
    read = read_points(reader)
    provider.shutdown()

    assert read == {}


def test_where_nobody_set_it_up_there_is_no_telemetry():
    assert open_run_telemetry() is None


def test_where_nobody_set_it_up_it_is_not_even_imported():
    code = (
        "import sys; from engine.farm.live.telemetry import open_run_telemetry; assert open_run_telemetry() is None; "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert shown.stdout == "[]\n"


def test_where_it_is_set_up_a_run_has_telemetry():
    code = (
        "from opentelemetry import metrics; from opentelemetry.sdk.metrics import MeterProvider; "
        "from opentelemetry.sdk.metrics.export import InMemoryMetricReader; r = InMemoryMetricReader(); "
        "metrics.set_meter_provider(MeterProvider([r])); "
        "from engine.farm.live.telemetry import open_run_telemetry; from engine.farm.snapshot import RunSnapshot; "
        "open_run_telemetry().show(RunSnapshot(run_id='a', name='b', active=7)); "
        "m = [m for s in r.get_metrics_data().resource_metrics[0].scope_metrics for m in s.metrics]; "
        "print([m.data.data_points[0].value for m in m if m.name == 'realtime.farm.sessions.active'])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert shown.stdout == "[7.0]\n"
