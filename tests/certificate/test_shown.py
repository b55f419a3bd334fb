"""What people see: the page and the tables."""

import io
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from nmesd.certificate.page import certificate_page
from nmesd.certificate.picture import BINS, bins
from nmesd.certificate.table import shown
from tests.certificate.made_up import STAGES, certificate, histogram, trip

FROM_ELSEWHERE = {"src", "href", "action", "data", "poster", "xlink:href"}


class Elements(HTMLParser):
    """Names and attributes of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def page() -> str:
    return certificate_page(certificate(trips=[trip()]))


def test_the_page_loads_nothing_and_runs_nothing(page: str) -> None:
    found = Elements(page)
    assert not found.attributes & FROM_ELSEWHERE
    assert not {name for name in found.attributes if name.startswith("on")}
    assert not {"script", "link", "iframe", "img", "object", "embed"} & set(found.names)
    assert "://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_says_what_it_is(page: str) -> None:
    made = certificate(trips=[trip()])
    assert "Latency certificate: NOT HELD" in page
    assert "loaded: LEASE_EXPIRED: the engine was late" in page
    assert "a &lt;model&gt;" in page
    assert made["sha256"] in page
    for text in ("Of this unit only", "not a medical device", "Not measured", "the amplifier"):
        assert text in page
    # a panel for each stage with both parts over each other
    assert page.count("fill-opacity") == 2 * len(STAGES)


def test_the_state_stands_first() -> None:
    for made, state in ((certificate(), "HELD"), (certificate(trips=[trip()]), "NOT HELD")):
        console = Console(width=140, record=True, file=io.StringIO())
        console.print(shown(made))
        text = console.export_text()
        assert text.startswith(f"{state}: 2 channels at 1000 Hz")
        assert re.search(r"sample to guard.*0\.4.*/ 0\.4", text)
        assert "Of this unit only" in text


def test_every_time_is_in_a_bin() -> None:
    shares = bins(histogram(0, 1, 10, 1_000_000, most_us=20_000_000).pairs())
    assert len(shares) == BINS
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] > 0 < shares[-1]
