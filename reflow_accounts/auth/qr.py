"""QR codes as an inline SVG path, so that no image of a secret has a URL."""

from dataclasses import dataclass, field

import segno

# Required margin (ISO/IEC 18004), in modules.
_QUIET_ZONE = 4


@dataclass(frozen=True)
class QrCode:
    """A square of `size` modules, and the path (SVG) that draws the dark ones."""

    size: int
    path: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> "QrCode":
        """Return the QR code of `text`."""
        rows = segno.make(text, error="m", micro=False).matrix
        drawn = [
            f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h1v1h-1z"
            for y, row in enumerate(rows)
            for x, is_dark in enumerate(row)
            if is_dark
        ]
        return cls(len(rows) + 2 * _QUIET_ZONE, "".join(drawn))
