"""The mirror of the conversation: the server's order, our own copy of the words, and a bound."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from engine.protocol.history import NOT_KEPT, PLACED_FIRST, History, HistoryItem
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, McpListToolsItem, MessageItem


def message(item_id: str | None, *texts: str, kind: str = "text") -> MessageItem:
    content = tuple(Content(type="input_text", **{kind: text}) for text in texts)
    return MessageItem(id=item_id, role="user", content=content)


def history(*item_ids: str, max_items: int = 10) -> History:
    """A conversation of these items."""
    made = History(max_items)
    for item_id in item_ids:
        made.put(message(item_id, item_id), None)
    return made


def order(items: History) -> list[str | None]:
    return [each.item.id for each in items]


def known(items: History, item_id: str) -> HistoryItem:
    found = items.get(item_id)
    assert found is not None
    return found


def test_items_stand_in_the_servers_order():
    items = history("a", "b")
    items.put(message("c"), "a")

    assert order(items) == ["a", "c", "b"]


def test_root_is_the_first_place():
    items = history("a", "b")
    items.put(message("c"), PLACED_FIRST)

    assert order(items) == ["c", "a", "b"]


def test_an_item_after_an_unknown_one_goes_to_the_end():
    items = history("a", "b")
    items.put(message("c"), "never seen")

    assert order(items) == ["a", "b", "c"]


def test_an_item_without_an_id_is_not_kept():
    items = History(10)
    items.put(message(None), None)

    assert len(items) == 0


def test_an_item_that_comes_again_keeps_its_place_and_renews_what_it_says():
    items = history("a", "b")
    renewed = message("a", "said better")
    items.put(renewed, "b")

    assert order(items) == ["a", "b"]
    assert known(items, "a").item is renewed


def test_words_that_come_late_are_kept():
    items = History(10)
    items.put(message("a"), None)
    items.put(message("a", "late words", kind="transcript"), None)

    assert known(items, "a").transcript == "late words"


def test_a_truncation_does_not_wipe_our_copy_of_the_words():
    """The service removes the transcript of a truncated item (peers: openai-agents-js 523)."""
    items = History(10)
    items.put(message("a", "All of what was said."), None)
    items.truncated("a", 700)
    items.put(message("a"), None)

    assert known(items, "a").transcript == "All of what was said."
    assert known(items, "a").heard_ms == 700


def test_what_was_said_is_kept_with_its_item():
    items = history("a")
    items.said("a", "new words")
    items.said("unknown", "nobody's words")
    items.truncated("unknown", 5)

    assert known(items, "a").transcript == "new words"
    assert items.get("unknown") is None
    assert known(items, "a").heard_ms is None


def test_the_words_of_several_pieces_are_joined_and_blank_ones_left_out():
    items = History(10)
    items.put(message("a", "one", "", "two"), None)

    assert known(items, "a").transcript == "one two"


def test_each_piece_of_an_item_keeps_its_own_words():
    """The last one told stood for all of them once."""
    items = History(10)
    items.put(message("a"), None)
    items.said("a", "two", 1)
    items.said("a", "one", 0)
    items.said("a", "two, better", 1)
    items.said("a", "", 0)

    assert known(items, "a").words == ((0, "one"), (1, "two, better"))
    assert known(items, "a").transcript == "one two, better"


def test_words_that_were_told_outlast_what_an_item_says_later():
    items = History(10)
    items.put(message("a"), None)
    items.said("a", "as heard", 1)
    items.put(message("a", "first piece", "second piece"), None)

    assert known(items, "a").transcript == "first piece as heard"


def test_how_much_audio_came_is_kept_with_its_item():
    items = history("a")
    items.received("a", 1250.5)
    items.received("unknown", 5.0)
    items.said("a", "words")

    assert known(items, "a").audio_ms == 1250.5


def test_an_item_that_is_no_message_has_no_words():
    items = History(10)
    items.put(FunctionCallOutputItem(id="a", call_id="call_1", output="7"), None)

    assert known(items, "a").transcript == ""


def test_a_deleted_item_is_gone_and_its_id_is_free():
    items = history("a", "b")
    items.deleted("a")
    items.deleted("a")
    items.put(message("a"), None)

    assert order(items) == ["b", "a"]


def test_at_the_bound_nothing_is_forgotten_and_one_past_it_the_first_is():
    items = history("a", "b", "c", max_items=3)
    assert items.forgotten == 0

    items.put(message("d"), None)

    assert order(items) == ["b", "c", "d"]
    assert items.get("a") is None
    assert items.forgotten == 1


def test_audio_and_images_are_not_kept_but_that_there_was_one_is():
    content = (
        Content(type="input_audio", audio="A" * 1000, transcript="said"),
        Content(type="input_image", image_url="data:image/png;base64,AAAA"),
        Content(type="input_text", text="written"),
    )
    items = History(10)
    items.put(MessageItem(id="a", role="user", content=content), None)

    kept = known(items, "a")
    assert isinstance(kept.item, MessageItem)
    assert [(each.audio, each.image_url) for each in kept.item.content] == [
        (NOT_KEPT, None),
        (None, NOT_KEPT),
        (None, None),
    ]
    assert kept.transcript == "said written"


def weighs(*texts: str) -> int:
    """How much text one item of these words is."""
    items = History(10)
    items.put(message("a", *texts), None)
    return items._bytes


def test_past_the_bound_in_bytes_the_oldest_are_forgotten_and_counted():
    items = History(100, max_bytes=3 * weighs("x" * 1000))
    for item_id in "abc":
        items.put(message(item_id, "x" * 1000), None)
    assert items.forgotten == 0

    items.put(message("d"), None)

    assert order(items) == ["b", "c", "d"]
    assert items.forgotten == 1


def test_words_weigh_their_bytes_even_where_no_utf8_is_for_them():
    assert weighs("\u4e16" * 1000) - weighs("x" * 1000) == 2 * 2 * 1000, "in the item, and our copy"
    assert weighs("\ud800") > weighs("x")


def test_an_item_that_grows_past_the_bound_makes_room():
    items = History(100, max_bytes=weighs("x" * 2600))
    items.put(message("a", "old"), None)
    items.put(message("b"), None)
    items.said("b", "x" * 2000)
    assert order(items) == ["a", "b"]

    items.put(message("b", "x" * 3000), None)

    assert (order(items), items.forgotten) == (["b"], 1)


def test_what_is_forgotten_or_deleted_weighs_nothing():
    items = History(2)
    for item_id in "abcd":
        items.put(message(item_id, item_id * 100), None)
    items.deleted("c")
    items.said("d", "short")
    items.deleted("d")

    assert (len(items), items._bytes, items.forgotten) == (0, 0, 2)


def test_an_item_larger_than_the_bound_is_forgotten_at_once():
    items = History(10, max_bytes=1000)
    items.put(message("a", "x" * 1000), None)

    assert (len(items), items.forgotten) == (0, 1)


class Naive:
    """The same, by a plain list that is searched from the front."""

    def __init__(self, max_items: int) -> None:
        self.max_items = max_items
        self.ids: list[str] = []
        self.forgotten = 0

    def put(self, item_id: str, previous: str | None) -> None:
        if item_id in self.ids:
            return
        if previous == PLACED_FIRST:
            self.ids.insert(0, item_id)
        elif previous in self.ids:
            self.ids.insert(self.ids.index(previous) + 1, item_id)
        else:
            self.ids.append(item_id)
        if len(self.ids) > self.max_items:
            self.ids = self.ids[1:]
            self.forgotten += 1


item_ids = st.sampled_from([f"item_{number}" for number in range(8)])
previous_ids = item_ids | st.none() | st.just(PLACED_FIRST) | st.just("never seen")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), item_ids, previous_ids),
        st.tuples(st.just("deleted"), item_ids, st.none()),
        st.tuples(st.just("said"), item_ids, st.just("words")),
        st.tuples(st.just("truncated"), item_ids, st.integers(0, 9)),
    ),
    max_size=40,
)


@given(steps, st.integers(1, 6))
def test_under_any_changes_it_is_what_a_naive_list_is(changes: Sequence[tuple[str, str, object]], max_items: int):
    items, naive = History(max_items), Naive(max_items)
    for kind, item_id, value in changes:
        if kind == "put":
            items.put(message(item_id), value)
            naive.put(item_id, value)
        elif kind == "deleted":
            items.deleted(item_id)
            naive.ids = [one for one in naive.ids if one != item_id]
        else:
            getattr(items, kind)(item_id, value)

        assert order(items) == naive.ids
        assert len(items) == len(naive.ids) <= max_items
        assert items.forgotten == naive.forgotten
        assert all((items.get(one) is not None) == (one in naive.ids) for one in map("item_{}".format, range(8)))


def test_the_late_end_of_a_deleted_item_does_not_bring_it_back():
    history = History(10)
    one = MessageItem(id="item_1", role="assistant", content=())
    history.put(one, None)
    history.deleted("item_1")
    history.put(one, None, begins=False)
    assert len(history) == 0

    history.put(one, None)  # An id that was deleted is free again.
    history.put(one, None, begins=False)
    assert len(history) == 1

    for number in range(100):
        history.deleted(f"other_{number}")
    history.deleted("item_1")
    history.put(MessageItem(id="item_2", role="assistant", content=()), None, begins=False)
    assert [each.item.id for each in history] == ["item_2"]


# --- from one connection to the next ----------------------------------------------------------------------------------


def begun(item_id: str, role: str) -> MessageItem:
    return MessageItem(id=item_id, role=role, content=(), status="in_progress")


def test_what_had_begun_stays_as_far_as_it_came_and_was_heard():
    items = history("whole")
    for item_id, role in (("heard", "assistant"), ("unheard", "assistant"), ("spoken", "user")):
        items.put(begun(item_id, role), None)
    items.end_unfinished(lambda item_id: item_id == "heard")

    assert order(items) == ["whole", "heard", "spoken"]
    assert [known(items, item_id).item.status for item_id in ("heard", "spoken")] == ["incomplete", "incomplete"]


def test_a_call_that_nobody_was_told_of_and_one_that_was_not_whole_are_not_made():
    items = history()
    for call_id, status in (("told", "completed"), ("untold", "completed"), ("begun", "in_progress")):
        call = FunctionCallItem(id=call_id, call_id=call_id, name="tool", arguments="{}", status=status)
        items.put(call, None)
    items.end_unfinished(lambda _: True, untold={"untold"})

    assert order(items) == ["told"]


def test_tools_that_a_server_offers_are_listed_anew():
    items = history("a")
    items.put(McpListToolsItem(id="tools", server_label="docs", tools=()), None)
    items.end_unfinished(lambda _: True)

    assert order(items) == ["a"]
    items.put(McpListToolsItem(id="tools", server_label="docs", tools=()), None, begins=False)
    assert order(items) == ["a"], "their late end brings them not back"
