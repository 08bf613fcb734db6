"""Hosts that may be taken for others are told from those that may not."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.guardrails.hosts import is_within, readable, resembles

LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
HOST = st.lists(st.one_of(LABEL, LABEL.map("xn--".__add__)), min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("host", "domain", "is_alike"),
    [
        ("paypa1.com", "paypal.com", True),
        ("paypaI.com".lower(), "paypal.com", True),
        ("раураl.com", "paypal.com", True),  # noqa: RUF001  # Cyrillic, which is the point
        ("xn--pypal-4ve.com", "paypal.com", True),
        ("payapl.com", "paypal.com", True),
        ("paypall.com", "paypal.com", True),
        ("paypal.com.evil.test", "paypal.com", True),
        ("secure-paypal.test", "paypal.com", True),
        ("paypal.org", "paypal.com", True),
        ("www.paypal.com", "paypal.com", False),
        ("paypal.com", "paypal.com", False),
        ("papaya.com", "paypal.com", False),
        ("payroll.com", "paypal.com", False),
        ("abd.org", "abc.com", False),
        ("abc.com.evil.test", "abc.com", True),
    ],
)
def test_a_host_is_told_from_its_likes(host: str, domain: str, *, is_alike: bool) -> None:
    """A reader would take one host for another, or a harmless one would be called a trick."""
    assert resembles(host, domain) is is_alike


@given(HOST, HOST)
@settings(deadline=None, max_examples=300)
@example("xn--", "0")
def test_what_lies_within_a_domain_is_no_look_alike(host: str, domain: str) -> None:
    """A host on the list would be found for looking like the list, or the look would fail."""
    assert readable(host)
    assert not resembles(f"{host}.{domain}", domain)
    assert is_within(f"{host}.{domain}", domain)
    resembles(host, domain)


def test_a_label_that_is_too_long_is_not_decoded() -> None:
    """An address as long as a text may be would keep the process for minutes."""
    label = "xn--" + "a" * 3_000_000
    assert readable(f"{label}.test") == f"{label}.test"
    assert readable("xn--mnchen-3ya.test") == "m\u00fcnchen.test"
