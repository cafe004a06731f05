"""`python -m reflow_accounts.cli`: the command without its installed script."""

import sys

from reflow_accounts.cli.main import main

sys.exit(main())
