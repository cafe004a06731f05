"""The entry point of the `reflow` script."""

import gc
import os
import sys

from reflow_accounts.cli import interrupts
from reflow_accounts.cli.interrupts import INTERRUPTED as INTERRUPTED


def main(arguments: list[str] | None = None) -> int:
    """Run the command with `arguments` (default: `sys.argv[1:]`) and return its exit code."""
    gc.disable()  # the process is too short-lived to benefit; the start is about 5 % faster
    sys.unraisablehook = interrupts.raise_again_soon
    try:
        interrupts.exit_on_signal()
        from reflow_accounts.cli.app import run

        interrupts.raise_on_signal()
        code = run(sys.argv[1:] if arguments is None else arguments)
        interrupts.ignore_signals()  # from here on, Ctrl-C would print a traceback of Python's shutdown
    except KeyboardInterrupt:
        code = interrupts.report_interrupt()
    finally:
        gc.freeze()  # otherwise the shutdown traverses every imported object: about 12 % of the run
    if code in interrupts.EXIT_CODES:
        # After a KeyboardInterrupt inside eval(), Python would exit by the signal instead of with this code.
        os._exit(code)
    return code
