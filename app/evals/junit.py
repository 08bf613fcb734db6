"""JUnit XML, as CI systems read it: the one writer of it for all commands."""

import re
import xml.etree.ElementTree as ET  # written here, never read
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, not even as a reference."""


class Ending(StrEnum):
    """How a case ended where it did not pass; the names are those of JUnit's elements."""

    FAILURE = "failure"
    """What was looked at is not as it should be."""
    ERROR = "error"
    """Something went wrong before anybody could tell."""
    SKIPPED = "skipped"
    """Nobody looked. Never to be read as passed."""


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One line of the report."""

    name: str
    classname: str
    """What it belongs to; CI systems group by it."""
    ending: Ending | None = None
    """None where it passed."""
    message: str = ""
    """Why it did not pass, in a line."""
    details: str = ""
    """The whole of it, over as many lines as it takes."""
    kind: str = ""
    """Of failure or error, such as the rule or check that says so."""
    time_s: float | None = None
    """None where it is not known."""
    file: str = ""
    """Where a person would mend it, relative to the project."""
    line: int = 0
    """In that file, counted from 1; 0 where no line applies."""
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JUnitSuite:
    """Cases that belong together."""

    name: str
    cases: Sequence[JUnitCase]
    properties: Mapping[str, str] = field(default_factory=dict)


def junit_xml(name: str, suites: Sequence[JUnitSuite]) -> str:
    """The report as a whole document. The same suites give the same bytes.

    Whatever texts hold, it is legal XML: characters that XML has no way to write become U+FFFD.

    Source: the format has no standard; elements and attributes are those that Jenkins
    (``junit-10.xsd`` of its xUnit plugin), GitLab and pytest agree on.
    """
    root = ET.Element("testsuites", {"name": legal(name)})
    _count(root, [case for suite in suites for case in suite.cases])
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": legal(suite.name)})
        _count(element, suite.cases)
        _properties(element, suite.properties)
        for case in suite.cases:
            _case(element, case)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def legal(text: str) -> str:
    """The text with U+FFFD for every character that XML 1.0 has no way to write.

    Source: https://www.w3.org/TR/xml/#charsets
    """
    return _ILLEGAL.sub("\ufffd", text)


def _count(element: ET.Element, cases: Sequence[JUnitCase]) -> None:
    element.set("tests", str(len(cases)))
    for attribute, ending in (
        ("failures", Ending.FAILURE),
        ("errors", Ending.ERROR),
        ("skipped", Ending.SKIPPED),
    ):
        element.set(attribute, str(sum(case.ending is ending for case in cases)))
    times = [case.time_s for case in cases if case.time_s is not None]
    if times:
        element.set("time", _seconds(sum(times)))


def _case(suite: ET.Element, case: JUnitCase) -> None:
    attributes = {"name": legal(case.name), "classname": legal(case.classname)}
    if case.time_s is not None:
        attributes["time"] = _seconds(case.time_s)
    if case.file:
        attributes["file"] = legal(case.file)
    if case.line:
        attributes["line"] = str(case.line)
    element = ET.SubElement(suite, "testcase", attributes)
    _properties(element, case.properties)
    if case.ending is not None:
        end = ET.SubElement(element, case.ending.value, {"message": legal(case.message)})
        if case.kind:
            end.set("type", legal(case.kind))
        if case.details:
            end.text = legal(case.details)


def _properties(element: ET.Element, properties: Mapping[str, str]) -> None:
    if not properties:
        return
    listed = ET.SubElement(element, "properties")
    for name, value in properties.items():
        ET.SubElement(listed, "property", {"name": legal(name), "value": legal(value)})


def _seconds(time_s: float) -> str:
    return f"{time_s:.3f}"
