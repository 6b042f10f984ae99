"""A run goes on with its plan, or with one that asks callers for the same."""

import attrs
import pytest
from entries import PLAN, leases, result

from engine.errors import LedgerUnusable
from engine.farm.ledger import Ledger
from engine.farm.ledger.plans import MAY_CHANGE, differences, forbidden
from engine.farm.plan.model import Caps, Keep, Load, Plan, Retries, Target, Type


def test_the_same_plan_has_no_differences():
    assert list(differences(PLAN, PLAN)) == []


def test_a_difference_has_its_path_and_both_values():
    other = attrs.evolve(PLAN, caps=Caps(sessions=20, budget_usd=5.0), session={"voice": "ash"})

    assert dict(differences(PLAN, other)) == {
        "caps.sessions": "was 10, is 20",
        "caps.budget_usd": "was not given, is 5.0",
        "session": 'was not given, is {"voice": "ash"}',
    }


def test_a_long_value_is_cut():
    (found,) = differences(PLAN, attrs.evolve(PLAN, folder="x" * 500))

    assert len(found[1]) < 100


def test_every_field_of_a_plan_was_decided_on():
    sessions_are = {"scenarios", "target", "session", "load"}

    assert {field.name for field in attrs.fields(Plan)} == MAY_CHANGE | sessions_are
    assert [forbidden(path) for path in ("caps.sessions", "scenarios[0].turns", "load", "name")] == [
        False,
        True,
        True,
        False,
    ]


def greeting(plan, **changes):
    return attrs.evolve(plan, scenarios=(attrs.evolve(plan.scenarios[0], **changes), *plan.scenarios[1:]))


@pytest.mark.parametrize(
    ("other", "where"),
    [
        (
            greeting(PLAN, turns=(Type(type="good day"),)),
            r'scenarios\[0\]\.turns\[0\]\.type \(was "hello", is "good day"\)',
        ),
        (greeting(PLAN, repeat=5), r"scenarios\[0\]\.repeat"),
        (attrs.evolve(PLAN, scenarios=PLAN.scenarios[:1]), "scenarios "),
        (attrs.evolve(PLAN, target=Target(kind="service")), "target"),
        (attrs.evolve(PLAN, load=Load(shape="constant", sessions=3)), "load"),
        (attrs.evolve(PLAN, session={"voice": "ash"}), "session"),
    ],
)
def test_a_run_does_not_go_on_with_other_sessions(ledger, folder, other, where):
    ledger.close()

    with pytest.raises(LedgerUnusable, match=f"another one: {where}.*new run in another folder"):
        Ledger.open(folder, plan=other)
    with Ledger.open(folder, plan=PLAN) as again:
        assert again.plan == PLAN


def test_a_run_goes_on_with_other_caps_and_notes_them(ledger, reopened):
    ledger.lease(leases(0))
    ledger.record([result(0)], set())
    other = attrs.evolve(PLAN, caps=Caps(sessions=3), retries=Retries(attempts=1), keep=Keep(audio=0.0), folder="/x")

    ledger, _ = reopened(ledger, plan=other)

    assert ledger.plan == other
    (note,) = ledger.notes()
    assert note.kind == "plan"
    assert "caps.sessions was 10, is 3" in note.text
    again, _ = reopened(ledger)
    assert again.plan == other, "it is the run's from now on"


def test_a_run_that_goes_on_with_its_own_plan_notes_nothing(ledger, reopened):
    ledger, _ = reopened(ledger, plan=PLAN)

    assert ledger.notes() == ()


def test_a_plan_with_a_name_that_is_no_unicode_is_refused_in_one_line(ledger, folder, tmp_path):
    other = attrs.evolve(PLAN, folder="/plans/\udcff")

    with pytest.raises(LedgerUnusable, match=r"no Unicode \| give folders and files of the plan names in UTF-8"):
        Ledger.create(tmp_path / "other", other)
    assert not (tmp_path / "other" / "ledger.sqlite").exists()
    ledger.close()
    with pytest.raises(LedgerUnusable, match="no Unicode"):
        Ledger.open(folder, plan=other)
    assert Ledger.open(folder, write=False).plan == PLAN
