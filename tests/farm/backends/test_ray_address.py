import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.farm.backends.ray_address import Place, host_and_port, place_of


@pytest.mark.parametrize(
    ("on", "place"),
    [
        ("ray", Place("any")),
        ("ray:local", Place("local")),
        ("ray:auto", Place("running")),
        ("ray:head.example:6379", Place("named", "head.example:6379")),
        ("ray:10.0.0.7:65535", Place("named", "10.0.0.7:65535")),
        ("ray:[fe80::1]:6379", Place("named", "[fe80::1]:6379")),
    ],
)
def test_on_names_a_place(on, place):
    assert place_of(on) == place


@pytest.mark.parametrize(
    "on", ["", "dask", "ray:head", "ray:head:", "ray:head:0", "ray:head:65536", "ray:a b:1", "rays"]
)
def test_what_is_no_place_is_told_with_what_is(on):
    with pytest.raises(ConfigError, match="ray:HOST:PORT"):
        place_of(on)


def test_ray_client_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"ray job submit") as refused:
        place_of("ray://head:10001")
    assert "\n" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_text_is_a_place_or_refused(text):
    try:
        place = place_of(f"ray:{text}")
    except ConfigError:
        return
    if place.kind == "named":
        host, port = host_and_port(place.address)
        assert host
        assert 0 < port < 2**16
