"""Verdicts as a JUnit report, which CI servers read: a suite a service, a case for each thing checked and found.

Pure. Written with the standard library: of the kept packages none makes control characters harmless, which is the one
hard part, and the rest is the few elements below. Invariant: the result is well-formed XML whatever a database said.
"""

from collections.abc import Sequence
from xml.etree import ElementTree

from devenv.cli.views.texts import clean_verdict, split_place
from devenv.domain.findings import Finding, Severity, Verdict, sort_findings
from devenv.domain.texts import printable

_COUNTED = {
    "tests": "testcase",
    "failures": "testcase/failure",
    "errors": "testcase/error",
    "skipped": "testcase/skipped",
}


def junit_xml(verdicts: Sequence[Verdict], *, took_s: float, strict: bool = False) -> str:
    """Return the report, to be written as UTF-8.

    An error is a failure, a warning a passed case with its text as output; what could not be checked is skipped, or
    an error where `strict`.
    """
    root = ElementTree.Element("testsuites", name="devenv check")
    for verdict in verdicts:
        root.append(_suite(clean_verdict(verdict, printable), strict=strict))
    for name, path in _COUNTED.items():
        root.set(name, str(len(root.findall(f"testsuite/{path}"))))
    root.set("time", f"{took_s:.3f}")
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _suite(verdict: Verdict, *, strict: bool) -> ElementTree.Element:
    suite = ElementTree.Element("testsuite", name=verdict.service)
    properties = ElementTree.SubElement(suite, "properties")
    ElementTree.SubElement(properties, "property", name="database", value=verdict.database or "none")
    for phrase in verdict.checked:
        ElementTree.SubElement(suite, "testcase", classname=f"{verdict.service}.checked", name=phrase, time="0")
    for finding in sort_findings(verdict.findings):
        suite.append(_case(finding, verdict.service, strict=strict))
    for name, path in _COUNTED.items():
        suite.set(name, str(len(suite.findall(path))))
    suite.set("time", f"{verdict.took_s:.3f}")
    return suite


def _case(finding: Finding, service: str, *, strict: bool) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"{service}.{finding.topic}", name=finding.id, time="0")
    file, line = split_place(finding.place)
    if file:
        case.set("file", file)
    if line:
        case.set("line", line)
    if (outcome := _outcome(finding.severity, strict=strict)) == "system-out":
        ElementTree.SubElement(case, outcome).text = _body(finding)
    else:
        told = ElementTree.SubElement(case, outcome, message=finding.text)
        told.text = _body(finding)
        if outcome != "skipped":
            told.set("type", str(finding.severity))
    return case


def _outcome(severity: Severity, *, strict: bool) -> str:
    if severity is Severity.ERROR:
        return "failure"
    if severity is Severity.UNKNOWN:
        return "error" if strict else "skipped"
    return "system-out"


def _body(finding: Finding) -> str:
    return "\n".join([
        f"{finding.severity}: {finding.text}",
        *([finding.place] if finding.place else []),
        *(f"- {detail}" for detail in finding.details),
        *([f"fix: {finding.fix}"] if finding.fix else []),
    ])  # fmt: skip
