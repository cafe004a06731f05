"""A limit on the size of the files that a process writes: writing fails as on a full disk."""

import resource
from collections.abc import Callable

# For the environment of such a process: it would write truncated bytecode of the modules that it compiles, and every
# later import of them, by any process, would fail.
NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}


def limit_files(largest: int) -> Callable[[], None]:
    """Return a function that limits files of this process to `largest` bytes, as `preexec_fn` of a child."""
    hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard_limit))
