"""The findings of `reflow doctor --json`."""

import json
import re
import subprocess


class Report:
    """The result of one run."""

    def __init__(self, terminal, *words: str) -> None:
        outcome = terminal.run(*words, "doctor", "--json")
        self.code, self.text = outcome.code, outcome.everything
        report = json.loads(outcome.stdout)
        assert set(report) == {"ok", "findings"}
        assert report["ok"] is (outcome.code == 0), outcome.stdout
        self.findings = report["findings"]
        assert all(set(found) == {"check", "state", "detail", "mend"} for found in self.findings)
        assert all(bool(found["mend"]) is (found["state"] != "ok") for found in self.findings), self.bad
        assert not re.search("rf[ks]_[0-9A-Za-z]{8}", self.text)

    @property
    def bad(self) -> list[tuple[str, str]]:
        """Check and state of each finding that is not ok."""
        return [(found["check"], found["state"]) for found in self.findings if found["state"] != "ok"]

    def __getitem__(self, check: str) -> dict[str, str]:
        """The finding of a check; the worst one when there are several."""
        found = [found for found in self.findings if found["check"] == check]
        return max(found, key=lambda one: ["ok", "warning", "error"].index(one["state"]))

    def mend(self, terminal, check: str) -> None:
        """Run the command that the finding shows."""
        subprocess.run(
            ["sh", "-ec", self[check]["mend"]], check=True, env=terminal.environ, cwd=terminal.folder
        )
