"""The page works in a real browser; skipped where there is none."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from mdps_ros.evaluation.html_report import write_html
from mdps_ros.evaluation.report import row_of

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is here")


@pytest.fixture(scope="module")
def page(tmp_path_factory, run, helsinki):
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_html(path, run, helsinki, "Made up", row=row_of("x", 0, run), command="mdps test")
    return path


def rendered(page, profile, fragment=""):
    """The document after its scripts have run, and what the console said."""
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000"]
    words += ["--enable-logging=stderr", f"--user-data-dir={profile}", "--dump-dom"]
    done = subprocess.run(
        [BROWSER, *words, f"file://{page}{fragment}"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.stdout, re.findall(r":CONSOLE[^\]]*\] (.*)", done.stderr)


def test_the_page_draws_map_and_curves_and_says_nothing_to_the_console(page, run, tmp_path):
    document, console = rendered(page, tmp_path)
    assert 'data-ready="yes"' in document
    assert console == []
    assert document.count('class="main-svg"') >= 2
    now = document.partition('id="now"')[2].partition("</div>")[0]
    assert "TRACKING" in now
    assert f"{run.travelled[-1]:.0f} m" in now


def test_an_earlier_moment_shows_what_was_believed_then(page, tmp_path):
    document, _ = rendered(page, tmp_path, "#5")
    now = document.partition('id="now"')[2].partition("</div>")[0]
    assert "GLOBAL" in now
    assert document.count('class="textpoint"') == 2  # the shares of two hypotheses
    assert "particles" in now


def test_a_broken_page_is_found_out(page, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(page.read_text(encoding="utf-8").replace('"moments"', '"gone"'), "utf-8")
    document, console = rendered(broken, tmp_path / "profile")
    assert 'data-ready="yes"' not in document
    assert console
