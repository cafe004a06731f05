"""The scoring of the MDN HTTP Observatory, as far as it depends on the responses of the site.

Rules and modifiers: https://github.com/mdn/mdn-http-observatory, src/grader/charts.js and
src/analyzer/tests/, read in November 2026; grades: "Tests & Scoring" on MDN. What depends on other servers is
left out, because it is 0 here: whether plain HTTP leads to HTTPS (the proxy's work), and preloading (+5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie

from tests.helpers.html import Element

BASE, FOR_EXTRA_CREDIT = 100, 90
GRADES = {100: "A+", 90: "A", 85: "A-", 80: "B+", 70: "B", 65: "B-", 60: "C+", 50: "C", 45: "C-", 40: "D+"}
SIX_MONTHS = 15_768_000
BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
INLINE = {"'unsafe-inline'", "data:"}
PRIVATE = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}

Policy = dict[str, set[str]]


@dataclass(frozen=True)
class ObservedResponse:
    """A response over HTTPS: headers, Set-Cookie lines, the document."""

    headers: Mapping[str, str]
    cookies: list[str]
    page: Element

    @property
    def policy(self) -> Policy:
        parts = [part.split() for part in self.headers.get("Content-Security-Policy", "").split(";")]
        return {part[0].lower(): {source.lower() for source in part[1:]} for part in parts if part}


def csp(response: ObservedResponse) -> int:
    policy = response.policy
    if not policy:
        return -25
    default = policy.get("default-src", {"*"})
    script, style, objects = (policy.get(name, default) for name in ("script-src", "style-src", "object-src"))
    passive = policy.get("img-src", default) | policy.get("media-src", default)
    active = {
        source
        for name, sources in policy.items()
        if name not in ("img-src", "media-src")
        for source in sources
    }
    if script & (BROAD | INLINE) or objects & BROAD:
        return -20
    if any(source.startswith(("http:", "ftp:")) for source in active | script):
        return -20
    if "'unsafe-eval'" in script | style or any(source.startswith(("http:", "ftp:")) for source in passive):
        return -10
    if style & (BROAD | INLINE):
        return 0
    return 10 if default == {"'none'"} and policy.get("form-action", {"*"}) <= {"'none'", "'self'"} else 5


def cookies(response: ObservedResponse) -> int:
    """All cookies of the site count as session cookies."""
    values = [morsel for text in response.cookies for morsel in SimpleCookie(text).values()]
    if not values:
        return 0
    if not all(morsel["secure"] for morsel in values):
        return -10 if hsts(response) == 0 else -40
    if not all(morsel["httponly"] for morsel in values):
        return -30
    same_site = {morsel["samesite"].lower() for morsel in values}
    if same_site <= {"strict", "lax"}:
        return 5
    return 0 if same_site <= {"", "strict", "lax"} else -20


def cors(response: ObservedResponse) -> int:
    is_open = response.headers.get("Access-Control-Allow-Credentials") == "true"
    return -50 if is_open and "Access-Control-Allow-Origin" in response.headers else 0


def hsts(response: ObservedResponse) -> int:
    directives = response.headers.get("Strict-Transport-Security", "").replace(" ", "").lower().split(";")
    ages = [part.partition("=")[2] for part in directives if part.startswith("max-age=")]
    if len(ages) != 1 or not ages[0].isdigit():
        return -20
    return 0 if int(ages[0]) >= SIX_MONTHS else -10


def referrer(response: ObservedResponse) -> int:
    values = response.headers.get("Referrer-Policy", "").lower()
    if not values:
        return 0
    return 5 if values in PRIVATE else -5


def integrity(response: ObservedResponse) -> int:
    """Scripts of the same site need no integrity attribute; others would cost points."""
    sources = [script["src"] for script in response.page.all("script") if script["src"]]
    foreign = [source for source in sources if not source.startswith("/") or source.startswith("//")]
    return -50 if foreign else 0


def sniffing(response: ObservedResponse) -> int:
    return 0 if response.headers.get("X-Content-Type-Options", "").lower() == "nosniff" else -5


def framing(response: ObservedResponse) -> int:
    ancestors = response.policy.get("frame-ancestors", {"*"})
    if not ancestors & BROAD:
        return 5
    return 0 if response.headers.get("X-Frame-Options", "").upper() in ("DENY", "SAMEORIGIN") else -20


def resources(response: ObservedResponse) -> int:
    values = response.headers.get("Cross-Origin-Resource-Policy", "").lower()
    return {"": 0, "cross-origin": 0, "same-origin": 10, "same-site": 10}.get(values, -5)


TESTS = (csp, cookies, cors, hsts, referrer, integrity, sniffing, framing, resources)


def score(response: ObservedResponse) -> int:
    """Return the points: 100 less what is missing, and the extra credit from 90 points on."""
    modifiers = [test(response) for test in TESTS]
    base_points = BASE + sum(modifier for modifier in modifiers if modifier < 0)
    bonus = sum(modifier for modifier in modifiers if modifier > 0)
    return max(0, base_points + (bonus if base_points >= FOR_EXTRA_CREDIT else 0))


def grade(points: int) -> str:
    return next((letter for minimum, letter in GRADES.items() if points >= minimum), "D or worse")
