"""JUnit XML that every reader can read, whatever the texts in it."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from app.evals.junit import Ending, JUnitCase, JUnitSuite, junit_xml, legal

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)
CASES = st.builds(
    JUnitCase,
    name=ANY_TEXT,
    classname=ANY_TEXT,
    ending=st.none() | st.sampled_from(Ending),
    message=ANY_TEXT,
    details=ANY_TEXT,
    kind=ANY_TEXT,
    time_s=st.none() | st.floats(0, 1e6),
    file=ANY_TEXT,
    line=st.integers(0, 10_000),
    properties=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2),
)
SUITES = st.lists(
    st.builds(
        JUnitSuite,
        name=ANY_TEXT,
        cases=st.lists(CASES, max_size=4),
        properties=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2),
    ),
    max_size=3,
)


def read(document: str) -> ET.Element:
    """As a CI system reads it."""
    return ET.fromstring(document.encode())  # noqa: S314  # written by the line before


def read_lines(text: str) -> str:
    """As a reader of XML gives a text: line ends of every kind are one."""
    return re.sub(r"\r\n?", "\n", legal(text))


@settings(deadline=None, max_examples=60)
@given(name=ANY_TEXT, suites=SUITES)
def test_whatever_texts_hold_a_reader_gets_them(name: str, suites: list[JUnitSuite]) -> None:
    """CI would show no results at all because one answer held a control character."""
    root = read(junit_xml(name, suites))
    assert root.get("name") == legal(name)
    for suite, element in zip(suites, root, strict=True):
        assert element.get("name") == legal(suite.name)
        cases = element.findall("testcase")
        for case, found in zip(suite.cases, cases, strict=True):
            assert (found.get("name"), found.get("classname")) == (
                legal(case.name),
                legal(case.classname),
            )
            endings = {ending: found.find(ending.value) for ending in Ending}
            there = {ending: end for ending, end in endings.items() if end is not None}
            assert set(there) == ({case.ending} if case.ending else set())
            for end in there.values():
                assert end.get("message") == legal(case.message)
                assert (end.text or "") == read_lines(case.details)


@settings(deadline=None, max_examples=30)
@given(SUITES)
def test_counts_are_those_of_the_cases(suites: list[JUnitSuite]) -> None:
    """A report would say that nothing failed above the failures that it lists."""
    root = read(junit_xml("all", suites))
    for element in (root, *root.findall("testsuite")):
        cases = list(element.iter("testcase"))
        assert element.get("tests") == str(len(cases))
        for attribute, ending in (
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert element.get(attribute) == str(sum(c.find(ending) is not None for c in cases))


def test_the_document_is_as_ci_systems_read_it() -> None:
    """A CI system would find neither the file to open nor why the case failed."""
    suite = JUnitSuite(
        "tutor",
        (
            JUnitCase("asks back", "tutor.maths", time_s=0.25),
            JUnitCase(
                "names the step",
                "tutor.maths",
                Ending.FAILURE,
                "the answer lacks 'step'",
                "1 < 2 & more\nsecond line",
                "contains",
                file="personas/tutor.cases.yaml",
                line=7,
                properties={"repeat": "1"},
            ),
            JUnitCase("not looked at", "tutor.maths", Ending.SKIPPED, "no answer is recorded"),
        ),
        {"catalog": "sha256:00"},
    )
    assert junit_xml("banneton eval", (suite,)) == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<testsuites name="banneton eval" tests="3" failures="1" errors="0" skipped="1"'
        ' time="0.250">\n'
        '  <testsuite name="tutor" tests="3" failures="1" errors="0" skipped="1" time="0.250">\n'
        "    <properties>\n"
        '      <property name="catalog" value="sha256:00" />\n'
        "    </properties>\n"
        '    <testcase name="asks back" classname="tutor.maths" time="0.250" />\n'
        '    <testcase name="names the step" classname="tutor.maths"'
        ' file="personas/tutor.cases.yaml" line="7">\n'
        "      <properties>\n"
        '        <property name="repeat" value="1" />\n'
        "      </properties>\n"
        '      <failure message="the answer lacks \'step\'" type="contains">'
        "1 &lt; 2 &amp; more\nsecond line</failure>\n"
        "    </testcase>\n"
        '    <testcase name="not looked at" classname="tutor.maths">\n'
        '      <skipped message="no answer is recorded" />\n'
        "    </testcase>\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )
