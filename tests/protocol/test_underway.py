"""Items on their way: each is told until the service has it, and again where it may not have it."""

from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import underway
from engine.protocol.underway import Underway
from engine.wire.client import ConversationItemCreate, ResponseCreate
from engine.wire.items import MessageItem


def item(number, item_id=None, after=None):
    message = MessageItem(id=item_id, role="user", content=())
    return ConversationItemCreate(event_id=f"client_{number}", item=message, previous_item_id=after)


def on_their_way(*events):
    followed = Underway()
    for event in events:
        followed.sent(event)
    return followed


def nowhere(_):
    return None


def left(followed):
    return [event.event_id for event in followed.again(nowhere)]


def test_only_items_are_followed():
    assert len(on_their_way(ResponseCreate(), item(1))) == 1


def test_an_item_without_an_id_is_seen_in_the_order_of_sending():
    followed = on_their_way(item(1), item(2))
    followed.seen("made_by_the_service", is_ours=True)

    assert left(followed) == ["client_2"]


def test_an_item_with_an_id_is_seen_by_it_and_what_was_sent_before_it_will_not_be():
    followed = on_their_way(item(1), item(2, "a"), item(3))
    followed.seen("a", is_ours=False)

    assert left(followed) == ["client_3"]


def test_an_item_of_another_id_is_none_of_those_that_have_one():
    followed = on_their_way(item(1, "a"))
    followed.seen("b", is_ours=True)
    followed.seen(None, is_ours=True)

    assert left(followed) == ["client_1"]


def test_what_the_service_makes_is_none_of_them():
    followed = on_their_way(item(1))
    followed.seen("spoken", is_ours=False)

    assert left(followed) == ["client_1"]


def test_nothing_is_seen_where_nothing_was_sent():
    followed = Underway()
    followed.seen("a", is_ours=True)
    followed.refused(None)
    followed.refused("client_1")

    assert len(followed) == 0


def test_what_the_service_refuses_is_not_told_again():
    followed = on_their_way(item(1), item(2), item(3), item(4))
    followed.refused("client_3")
    followed.refused(None)
    followed.refused("client_9")

    assert left(followed) == ["client_2", "client_4"]


def test_they_stay_on_their_way_when_they_are_told_again():
    followed = on_their_way(item(1))

    assert left(followed) == left(followed) == ["client_1"]


def test_they_keep_their_places_where_the_next_connection_knows_them():
    events = [
        item(1, "a", "root"),
        item(2, "b", "a"),
        item(3, None, "known"),
        item(4, None, "gone"),
        item(5, None, "c"),
    ]
    again = on_their_way(*events, item(6, "c")).again({"known": "known_otherwise"}.get)

    assert [event.previous_item_id for event in again] == ["root", "a", "known_otherwise", None, None, None]
    assert [event.item for event in again] == [event.item for event in [*events, item(6, "c")]]


def test_a_service_that_never_says_that_it_has_added_one_fills_no_memory():
    followed = Underway()
    for number in range(underway.UNDERWAY_MAX + 1):
        followed.sent(item(number))

    assert len(followed) == underway.UNDERWAY_MAX
    assert left(followed)[0] == "client_1"


ids = st.none() | st.sampled_from("abc")


@given(st.lists(st.tuples(st.sampled_from(["sent", "seen", "refused"]), ids, st.booleans()), max_size=30))
def test_whatever_happens_they_are_told_again_in_the_order_of_sending(steps):
    followed = Underway()
    for number, (kind, item_id, flag) in enumerate(steps):
        if kind == "sent":
            followed.sent(item(number, item_id))
        elif kind == "seen":
            followed.seen(item_id, is_ours=flag)
        else:
            followed.refused(f"client_{number - 1}" if flag else None)
        numbers = [int(event_id.removeprefix("client_")) for event_id in left(followed)]
        assert numbers == sorted(set(numbers))
        assert len(numbers) == len(followed)
