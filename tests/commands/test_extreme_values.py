"""Every operator command ends with a sentence for every value of every parameter, however extreme."""

import click
import pytest

pytestmark = pytest.mark.postgresql_later

# They run until they are stopped, or belong to Flask, Flask-Migrate and flask-smorest.
_NOT_OURS = {"serve", "mail-worker", "marketplace-worker", "run", "shell", "routes", "db", "openapi"}
EXTREMES = [
    "",
    "0",
    "-1",
    "1000000",
    "9" * 30,
    "1e999",
    "0001-01-01",
    "9999-12-31",
    "9999-12-31T23:59",
    "usr_" + "9" * 16,
    "a" * 100_000,
    "a@" + "b" * 300 + ".example",
    "\U0001f642" * 300,
    "\x1b[31m' OR 1=1 --\r\n",
]
USUAL = {
    "team": "Acme",
    "state": "active",
    "email": "ada@acme.example",
    "address": "ada@acme.example",
    "name": "New Name",
    "owner": "ada@acme.example",
    "reason": "Ticket 4711",
    "older_than": "30",
}


def _commands(group, path=()):
    for name, command in group.commands.items():
        if name in _NOT_OURS:
            continue
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


def _words(command, changed, value):
    """Write a call of `command` with usual values, and `value` for the parameter `changed`."""
    arguments, options = [], []
    for parameter in command.params:
        given = value if parameter.name == changed else USUAL.get(parameter.name)
        if isinstance(parameter, click.Argument):
            arguments.append(given or "")
        elif given is not None and not parameter.is_flag:
            options += [f"{parameter.opts[0]}={given}"]
    return [*options, "--", *arguments]


def test_extreme_values_end_with_a_sentence(app, cast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner, tried = app.test_cli_runner(), 0
    for path, command in _commands(app.cli):
        for parameter in command.params:
            if getattr(parameter, "is_flag", False):
                continue
            tried += 1
            for value in EXTREMES:
                with app.app_context():
                    done = runner.invoke(args=[*path, *_words(command, parameter.name, value)])
                case = (path, parameter.name, value[:40])
                assert done.exception is None or isinstance(done.exception, SystemExit), case
                assert done.output.strip(), case
    assert tried > 15


def test_wrong_port_is_refused_with_the_name_of_its_variable(flask, monkeypatch):
    monkeypatch.setenv("PORT", "abc")
    code, output = flask("serve")
    assert code == 2
    assert "Invalid value for '--port' (env var: 'PORT')" in output
