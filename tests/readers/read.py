"""Reads what the program wrote with readers of others.

    read.py ROOT FOLDER

ROOT is the repository; FOLDER holds report.json, report.sarif, report.xml and
report.gitlab.json of one and the same run, and policy.yaml.
"""

import json
import pathlib
import sys

import jsonschema
import junitparser
import sarif_pydantic
import yaml

root, folder = map(pathlib.Path, sys.argv[1:])
load = lambda path: json.loads(path.read_text(encoding="utf-8"))


def valid(schema, value):
    schema = load(root / "docs" / schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)


report = load(folder / "report.json")
valid("check.schema.json", report)
findings = [finding for subject in report["subjects"] for finding in subject["findings"]]
assert findings, "a report without findings shows nothing"

sarif = sarif_pydantic.Sarif.model_validate(load(folder / "report.sarif"))
results = [result for run in sarif.runs for result in run.results]
assert len(results) == len(findings), (len(results), len(findings))
rules = {rule.id for rule in sarif.runs[0].tool.driver.rules}
for result in results:
    assert result.rule_id in rules, result.rule_id
    region = result.locations[0].physical_location.region
    assert region.start_line >= 1 and region.start_column >= 1, region

suites = junitparser.JUnitXml.fromfile(str(folder / "report.xml"))
failures = sum(suite.failures for suite in suites)
denied = sum(1 for subject in report["subjects"] if subject["decision"] == "deny")
assert failures > 0 and denied > 0, (failures, denied)

issues = load(folder / "report.gitlab.json")
prints = [issue["fingerprint"] for issue in issues]
assert len(set(prints)) == len(prints), "fingerprints must be unique"
for issue in issues:
    assert issue["severity"] in {"info", "minor", "major", "critical", "blocker"}, issue
    assert issue["description"] and issue["check_name"], issue
    assert issue["location"]["path"] and issue["location"]["lines"]["begin"] >= 1, issue

valid("policy.schema.json", yaml.load((folder / "policy.yaml").read_text(), Loader=yaml.BaseLoader) and
      json.loads(json.dumps(yaml.safe_load((folder / "policy.yaml").read_text()), default=str)))
print(f"{len(findings)} findings, {len(issues)} issues, {failures} failures")
