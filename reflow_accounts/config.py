"""Settings from the environment."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkstemp

from reflow_accounts import aws_settings, email_addresses, environment, paths
from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.environment import ConfigError as ConfigError
from reflow_accounts.environment import choice, database_address, ensure_known_names, one_line, whole_number

# Where the server listens.
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 5000
MINIMUM_SECRET_KEY_LENGTH = 32
# Minimum number of different characters in a secret key; 32 random hexadecimal digits have 14 on average.
FEWEST_CHARACTERS = 6
_RANGES = "https://api.pwnedpasswords.com/range/"
SHORTEST_TOKEN = 8


@dataclass(frozen=True)
class Settings:
    """Validated settings. `masked_values` returns them without secrets."""

    environment: str
    instance: Path
    database_url: str
    sqlite_synchronous: str
    secret_key: str
    secret_key_fallbacks: tuple[str, ...]
    base_url: str
    allow_http: bool
    host: str
    trusted_proxies: int
    support_email: str
    cli_install: str
    mail_url: str
    mail_from: str
    mail_sender: str
    ratelimit_storage_url: str
    rate_limits: bool
    password_rounds: int
    breached_passwords_url: str
    metrics_token: str
    aws: AwsSettings

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def signing_keys(self) -> list[str]:
        """The secret keys in the order of itsdangerous, which signs with the last one and accepts all."""
        return [*self.secret_key_fallbacks, self.secret_key]

    @property
    def is_https(self) -> bool:
        return self.base_url.startswith("https://")

    def masked_values(self) -> dict[str, str]:
        """Return the effective values by variable name, secrets and passwords replaced by dots."""
        return {
            "REFLOW_ENV": self.environment,
            "REFLOW_INSTANCE": str(self.instance),
            "REFLOW_DATABASE_URL": environment.mask_database_url(self.database_url),
            "REFLOW_SQLITE_SYNCHRONOUS": self.sqlite_synchronous,
            "REFLOW_SECRET_KEY": "••••••",
            "REFLOW_SECRET_KEY_FALLBACKS": f"{len(self.secret_key_fallbacks)} set",
            "REFLOW_BASE_URL": self.base_url or "(taken from each request)",
            "REFLOW_ALLOW_HTTP": "on (anybody on the way can read passwords)" if self.allow_http else "off",
            "REFLOW_TRUSTED_PROXIES": str(self.trusted_proxies),
            "REFLOW_SUPPORT_EMAIL": self.support_email,
            "REFLOW_CLI_INSTALL": self.cli_install or "(pipx, from this site)",
            "REFLOW_MAIL_URL": environment.mask_url(self.mail_url) or "(.eml files in the instance folder)",
            "REFLOW_MAIL_FROM": self.mail_from,
            "REFLOW_MAIL_SENDER": self.mail_sender,
            "REFLOW_RATELIMIT_STORAGE_URL": environment.mask_url(self.ratelimit_storage_url)
            or "(the database)",
            "REFLOW_RATE_LIMITS": "on" if self.rate_limits else "off (passwords can be guessed without end)",
            "REFLOW_BREACHED_PASSWORDS_URL": environment.mask_url(self.breached_passwords_url)
            or "(no lookup)",
            "REFLOW_METRICS_TOKEN": "••••••" if self.metrics_token else "(not set: /metrics is off)",
            **self.aws.display_values(),
        }


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and validate all settings. Raises ConfigError for the first invalid value.

    In development, a missing secret key is generated once in the instance folder, so that sessions survive a
    restart.
    """
    ensure_known_names(environ)
    environment = choice(environ, "REFLOW_ENV", ("development", "production"))
    instance = Path(environ.get("REFLOW_INSTANCE") or paths.instance_folder()).absolute()
    is_production = environment == "production"
    allow_http = choice(environ, "REFLOW_ALLOW_HTTP", ("off", "on")) == "on"
    support_email = _email(environ, "REFLOW_SUPPORT_EMAIL", "support@reflow.example")
    return Settings(
        environment=environment,
        instance=instance,
        database_url=database_address(
            "REFLOW_DATABASE_URL", environ.get("REFLOW_DATABASE_URL") or f"sqlite:///{instance / 'reflow.db'}"
        ),
        sqlite_synchronous=choice(environ, "REFLOW_SQLITE_SYNCHRONOUS", ("NORMAL", "FULL")),
        secret_key=_secret_key(environ, instance, is_production),
        secret_key_fallbacks=_fallbacks(environ),
        base_url=_base_url(environ, is_production, allow_http),
        allow_http=allow_http,
        host=environ.get("HOST", DEFAULT_HOST).lower(),
        trusted_proxies=whole_number(environ, "REFLOW_TRUSTED_PROXIES", 0, 0, 10),
        support_email=support_email,
        cli_install=one_line(environ, "REFLOW_CLI_INSTALL"),
        mail_url=_url(environ, "REFLOW_MAIL_URL", ("smtp", "smtps")),
        mail_from=_email(environ, "REFLOW_MAIL_FROM", support_email),
        mail_sender=choice(environ, "REFLOW_MAIL_SENDER", ("inside", "worker")),
        ratelimit_storage_url=_counters_url(environ),
        rate_limits=_rate_limits(environ, is_production),
        password_rounds=12 if is_production else whole_number(environ, "REFLOW_PASSWORD_ROUNDS", 12, 4, 16),
        breached_passwords_url=_url(environ, "REFLOW_BREACHED_PASSWORDS_URL", ("https", "http"), _RANGES),
        metrics_token=_metrics_token(environ),
        aws=aws_settings.load(environ),
    )


def prepare_instance(folder: Path) -> None:
    """Create the instance folder, readable by its owner only. Raises ConfigError if that fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(_unwritable_message(folder, error)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(_unwritable_message(folder, "permission denied"))


def _unwritable_message(folder: Path, reason: object) -> str:
    reason = reason.strerror if isinstance(reason, OSError) else reason
    return f"The folder {folder} cannot be written ({reason}): make it writable or set REFLOW_INSTANCE to another."


def _secret_key(environ: Mapping[str, str], instance: Path, is_production: bool) -> str:
    value = environ.get("REFLOW_SECRET_KEY", "")
    if value:
        _check_secret("REFLOW_SECRET_KEY", value)
        if len(set(value)) < FEWEST_CHARACTERS:
            raise ConfigError(
                "REFLOW_SECRET_KEY can be guessed: use random characters, such as `openssl rand -hex 32` prints."
            )
        return value
    if is_production:
        raise ConfigError(
            "REFLOW_SECRET_KEY is required in production: set it to at least 32 random characters."
        )
    return _load_or_create_secret_key(instance)


def _load_or_create_secret_key(instance: Path) -> str:
    prepare_instance(instance)
    file = instance / "secret.key"
    if not file.exists():
        try:
            _create_secret_key(file)
        except OSError as error:
            raise ConfigError(_unwritable_message(instance, error)) from None
    return _read_secret_key(file)


def _create_secret_key(file: Path) -> None:
    """Create the file together with its content; of two concurrent processes one does and both use it."""
    content = secrets.token_urlsafe(48) + "\n"
    descriptor, name = mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(content)
        try:
            os.link(name, file)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            with suppress(FileExistsError), file.open("x", encoding="ascii") as stream:
                stream.write(content)
    finally:
        Path(name).unlink(missing_ok=True)


def _read_secret_key(file: Path) -> str:
    try:
        value = file.read_text("ascii").strip()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read ({error.strerror}): make it readable for this user."
        ) from None
    except ValueError:
        value = ""
    if len(value) >= MINIMUM_SECRET_KEY_LENGTH:
        return value
    raise ConfigError(
        f"{file} holds no usable secret key: put the right one back. Without it all passwords and sessions "
        "of this database are void; to begin anew, delete the file and the database."
    )


def _check_secret(name: str, value: str) -> str:
    if not value.isprintable() or not value.isascii():
        raise ConfigError(f"{name} must be made of plain ASCII characters.")
    if len(value) < MINIMUM_SECRET_KEY_LENGTH:
        raise ConfigError(f"{name} is too short: use at least {MINIMUM_SECRET_KEY_LENGTH} random characters.")
    return value


def _fallbacks(environ: Mapping[str, str]) -> tuple[str, ...]:
    name = "REFLOW_SECRET_KEY_FALLBACKS"
    values = [value.strip() for value in environ.get(name, "").split(",")]
    return tuple(_check_secret(name, value) for value in values if value)


def _base_url(environ: Mapping[str, str], is_production: bool, allow_http: bool) -> str:
    # As browsers send it: passkeys are bound to exactly this text (RFC 6454, 6.1).
    value = environ.get("REFLOW_BASE_URL", "").rstrip("/").lower()
    if not value:
        if is_production:
            raise ConfigError(
                "REFLOW_BASE_URL is required in production: set it to the address people open, https://…."
            )
        return ""
    if not value.isascii():
        raise ConfigError(
            "REFLOW_BASE_URL must have the ASCII form of its host name, https://xn--…, which browsers send."
        )
    if not environment.is_origin(value):
        raise ConfigError(
            "REFLOW_BASE_URL must look like https://accounts.example.com: a host name of letters, digits, hyphens "
            "and dots, without a path."
        )
    if is_production and not allow_http and environment.is_exposed(value):
        raise ConfigError(
            "REFLOW_BASE_URL must start with https:// in production: over http:// passwords and keys can be read "
            "on the way. To allow it on a network that you trust, set REFLOW_ALLOW_HTTP=on."
        )
    return value.removesuffix(":443" if value.startswith("https:") else ":80")


def _url(environ: Mapping[str, str], name: str, schemes: tuple[str, ...], example: str = "") -> str:
    """Return the URL of an optional service. Errors omit the value, which may contain a password."""
    value = environ.get(name, "")
    if value and (not environment.split(value, schemes) or environment.is_exposed(value)):
        raise ConfigError(f"{name} must look like {example or f'{schemes[0]}://user:password@host:port'}.")
    return value


def _counters_url(environ: Mapping[str, str]) -> str:
    name = "REFLOW_RATELIMIT_STORAGE_URL"
    value = _url(environ, name, ("redis", "rediss", "valkey", "valkeys"))
    if value and find_spec("valkey") is None:
        raise ConfigError(f"{name} needs the package valkey: pip install 'reflow-accounts[server,valkey]'.")
    return value


def _metrics_token(environ: Mapping[str, str]) -> str:
    value = environ.get("REFLOW_METRICS_TOKEN", "")
    if value and (
        len(value) < SHORTEST_TOKEN or not value.isascii() or not value.isprintable() or " " in value
    ):
        raise ConfigError(
            f"REFLOW_METRICS_TOKEN must be at least {SHORTEST_TOKEN} ASCII characters without spaces."
        )
    return value


def _rate_limits(environ: Mapping[str, str], is_production: bool) -> bool:
    is_on = choice(environ, "REFLOW_RATE_LIMITS", ("on", "off")) == "on"
    if is_production and not is_on:
        raise ConfigError("REFLOW_RATE_LIMITS=off is refused in production: remove it.")
    return is_on


def _email(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name) or default
    address = email_addresses.envelope(value)
    if address is None or not address.isascii():
        raise ConfigError(f"{name} must be an e-mail address; it is {value!r}.")
    return value
