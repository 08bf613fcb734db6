"""What we write as YAML is read again as what it was."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.yaml_source import parse_document
from app.catalog.yaml_writer import yaml_text
from app.domain.conversation import Json

ODD = [
    "no",
    "Yes",
    "null",
    "1e3",
    "0o7",
    "~",
    "a: b",
    "- a",
    "a #b",
    "[x]",
    "on",
    "=",
    "\u2028",
    "",
]
LINES = ["a\nb", "a\n\n b: c\n# d", "a\n", " a\nb", "a \nb", "\na", "- a\n- b", "# a\nb", "v1.2"]
TEXTS = st.text(max_size=12) | st.sampled_from([*ODD, *LINES])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4))
@settings(deadline=None, max_examples=80)
def test_a_written_file_is_read_as_what_it_was(value: Json) -> None:
    """A text such as ``no`` would come back as something else, or break the file."""
    assert parse_document(yaml_text(value).encode(), "made.yaml").plain() == value
