"""The entry point of the `reflow` script."""

import gc
import sys

INTERRUPTED = 130  # as a shell reports Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the command with `arguments` (default: those of the process) and return its exit code."""
    gc.disable()  # the process is too short-lived to gain from it; the start is a twentieth faster
    try:
        from reflow_accounts.cli.app import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while it was still starting
        return INTERRUPTED
