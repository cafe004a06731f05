"""The help that is kept ready is the one that the commands give.

`.venv/bin/python -m tests.house.test_help_text` writes the kept one anew.
"""

from pathlib import Path

from reflow_accounts.cli import help_text
from reflow_accounts.cli.app import reflow

KEPT = Path(help_text.__file__)
START = '"""The text of `reflow --help`; made from the commands by `tests/house/test_help_text.py`."""\n\n'


def text() -> str:
    """Return the help as it is on a terminal of 80 columns and in a pipe."""
    with reflow.make_context("reflow", [], terminal_width=78, resilient_parsing=True) as context:
        return reflow.get_help(context) + "\n"


def source() -> str:
    return f'{START}HELP = """\\\n{text()}"""\n'


def test_the_kept_help_is_that_of_the_commands():
    assert text() == help_text.HELP, f"Run: python -m {__name__}"
    assert source() == KEPT.read_text("utf-8"), f"Run: python -m {__name__}"


def test_the_help_can_be_written_anywhere_and_read_as_it_is():
    assert text().isascii()
    assert "\\" not in text()
    assert '"""' not in text()


if __name__ == "__main__":
    KEPT.write_text(source(), "utf-8")
