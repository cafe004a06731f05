"""The text of `reflow --help`; made from the commands by `tests/house/test_help_text.py`."""

HELP = """\
Usage: reflow [OPTIONS] COMMAND [ARGS]...

  Work with Reflow accounts and API keys.

Options:
  -k, --key-file FILE  Use the API key in FILE.
  --server URL         The Reflow server (or REFLOW_SERVER).
  --json               Print the API's JSON.
  --quiet              Print no hints and warnings.
  --version            Show the versions of the command and of the server.
  --help               Show this message and exit.

Commands:
  login       Log in through your browser, or with a password.
  logout      Log out of the server and forget the login.
  whoami      Show who you are and which credential is used.
  keys        List, create, rotate and revoke API keys.
  team        Show teams, invite people, manage service accounts.
  activity    Show what was done with your account and keys.
  doctor      Look for what is wrong, and say how to mend it.
  api         Send one request to the API and print its answer.
  completion  Print the script that completes commands in your shell.

  Which credential is used (the first one found; if it is refused, the run ends):
    1. the API key in the file after -k
    2. the API key in the variable REFLOW_API_KEY
    3. the file reflow.key at the root of the git repository you are in
    4. the file ~/.reflow/api.key
    5. the login of reflow login
    6. on a terminal, reflow asks you to log in

  Keep keys out of git: add reflow.key to .gitignore.

  Exit codes: 0 done, 1 failed, 2 usage, 4 not signed in or key refused,
    5 not allowed, 6 not found, 7 server unreachable, 130 interrupted (Ctrl-C).
"""
