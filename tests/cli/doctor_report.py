"""The findings of `reflow doctor --json`."""

import json
import re
import subprocess


class Report:
    """The result of one run."""

    def __init__(self, terminal, *words: str) -> None:
        outcome = terminal.run(*words, "doctor", "--json")
        self.code, self.text = outcome.code, outcome.output
        report = json.loads(outcome.stdout)
        assert set(report) == {"ok", "findings"}
        assert report["ok"] is (outcome.code == 0), outcome.stdout
        self.findings = report["findings"]
        assert all(set(finding) == {"check", "state", "detail", "fix"} for finding in self.findings)
        assert all(bool(finding["fix"]) is (finding["state"] != "ok") for finding in self.findings), (
            self.problems
        )
        assert not re.search("rf[ks]_[0-9A-Za-z]{8}", self.text)

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Check and state of each finding that is not ok."""
        return [(finding["check"], finding["state"]) for finding in self.findings if finding["state"] != "ok"]

    def __getitem__(self, check: str) -> dict[str, str]:
        """The finding of a check; the most severe one of several."""
        findings = [finding for finding in self.findings if finding["check"] == check]
        return max(findings, key=lambda finding: ["ok", "warning", "error"].index(finding["state"]))

    def fix(self, terminal, check: str) -> None:
        """Run the command that the finding shows."""
        subprocess.run(
            ["sh", "-ec", self[check]["fix"]], check=True, env=terminal.environ, cwd=terminal.folder
        )
