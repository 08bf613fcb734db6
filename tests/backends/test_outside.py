"""What was answered is remembered, but not for ever."""

from app.backends.outside import KEPT_S, Answers


def test_an_old_answer_is_no_answer() -> None:
    """A model that was exchanged would go on answering as the old one did until a restart."""
    answers = Answers(b"a key", capacity=2)
    place = answers.place("tenant", "model", {"b": 1, "a": 2})
    assert place == answers.place("tenant", "model", {"a": 2, "b": 1})
    assert place != answers.place("tenant", "model", {"a": 2})
    assert place != Answers(b"another").place("tenant", "model", {"b": 1, "a": 2})
    assert answers.get(place, 0.0) is None
    answers.put(place, "said", 10.0)
    assert answers.get(place, 10.0 + KEPT_S) == "said"
    assert answers.get(place, 10.1 + KEPT_S) is None
    answers.put(place, "said anew", 20.0 + KEPT_S)
    assert answers.get(place, 20.0 + KEPT_S) == "said anew"


def test_the_least_recently_used_is_forgotten() -> None:
    """Memory would grow with every question."""
    answers = Answers(b"a key", capacity=2)
    one, two, three = (answers.place(name) for name in ("one", "two", "three"))
    answers.put(one, "1", 0.0)
    answers.put(two, "2", 0.0)
    assert answers.get(one, 0.0) == "1"
    answers.put(three, "3", 0.0)
    assert [answers.get(each, 0.0) for each in (one, two, three)] == ["1", None, "3"]
