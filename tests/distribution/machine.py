"""A machine with Python alone: an empty home folder, and a virtual environment on the path."""

import os
import subprocess
import venv
from pathlib import Path


class Machine:
    """Runs lines of shell as on a machine where nothing of this project is installed."""

    def __init__(self, folder: Path) -> None:
        self.home, self.bin = folder / "home", folder / "venv" / "bin"
        self.home.mkdir()
        venv.create(folder / "venv", with_pip=True)
        # How pip reaches packages is the machine's affair; its cache spares time.
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.environ = {
            "PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip"),
            **kept,
            "HOME": str(self.home),
            # pipx makes its own copy of pip for each home; one is enough.
            "PIPX_SHARED_LIBS": str(folder / "shared"),
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
        }

    def run(
        self, lines: str, folder: Path, shell: tuple[str, ...] = ("sh", "-e"), **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run lines in `folder` and return what they said; raises AssertionError when they fail."""
        done = subprocess.run(
            [*shell, "-c", lines],
            cwd=folder,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{lines}\n{done.stdout}{done.stderr}"
        return done
