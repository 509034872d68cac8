"""
What the page says when nothing moves: links that an operator has braked, and a tracker that does not answer. Nobody transfers
anything.
"""

import signal
import subprocess
import sys
import types
import urllib.request

import pytest
from conftest import HERE, all_of, open_page, text
from harness import answers, free_port, program_folder, until
from selenium.webdriver.common.by import By

sys.path.insert(0, str(HERE.parent / "bench"))
import scrape  # noqa: E402

SITES, AGENTS = 4, 12
BRAKED, FREE = "s000-s001", "s000-s002"


class Tracker:
    """
    A tracker with a map of a few sites, which can be stopped and started again under the same address.
    """

    def __init__(self, folder):
        self.port, self.admin, self.process = free_port(), free_port(), None
        self.url = f"http://127.0.0.1:{self.admin}/"
        self.config = folder / "tracker.yaml"
        (folder / "sites.yaml").write_text(scrape.site_map(SITES))
        self.config.write_text(
            f"listen: 127.0.0.1:{self.port}\nadmin: 127.0.0.1:{self.admin}\nsite_map: sites.yaml\ntrusted_proxies: [127.0.0.1]\n"
        )

    def start(self):
        command = [program_folder("narrows-tracker") / "narrows-tracker", "run", "--config", self.config]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: answers(f"{self.url}healthz"), "the tracker answers")
        scrape.fill(types.SimpleNamespace(agents=AGENTS, contents=1, sites=SITES), self.port)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def brake(self, what, on):
        request = urllib.request.Request(f"{self.url}brake?{what}", method="POST" if on else "DELETE")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


@pytest.fixture(scope="module")
def tracker(tmp_path_factory):
    tracker = Tracker(tmp_path_factory.mktemp("standstill"))
    try:
        tracker.start()
        yield tracker
    finally:
        tracker.stop()


@pytest.fixture(scope="module")
def page(tracker, browser):
    open_page(browser, tracker.url, SITES)
    until(lambda: all_of(browser, ".rollout"), "the rollout is listed")
    return browser


def style(page, element, name):
    return page.execute_script("return getComputedStyle(arguments[0])[arguments[1]]", element, name)


def links(page, selector=".link"):
    """
    The titles of the links that have such a half, with how many of their halves are such.
    """
    found = {}
    for half in all_of(page, selector):
        title = page.execute_script("return arguments[0].parentElement.querySelector('title').textContent", half)
        found[title] = found.get(title, 0) + 1
    return found


def cells(page, table):
    """
    The texts of a table, row by row, all of one moment.
    """
    script = "return [...document.querySelectorAll(`${arguments[0]} tbody tr`)].map((row) => [...row.cells].map((cell) => cell.innerText))"
    return page.execute_script(script, table)


def uses(page):
    """
    The table of links: (link, towards) and what is said of its use.
    """
    return {(link, towards): use for link, towards, use in cells(page, "#links")}


def test_a_braked_link_is_dashed_both_ways_and_called_braked_and_so_is_the_site_behind_it_until_it_is_released(page, tracker, picture):
    assert not all_of(page, ".link.stopped")
    tracker.brake(f"link={BRAKED}", True)
    until(lambda: len(all_of(page, ".link.stopped")) == 2, "both directions stand still")
    [(title, halves)] = links(page, ".link.stopped").items()
    assert halves == 2 and title == f"{BRAKED}: towards s000 braked; towards s001 braked"
    dashes = {style(page, half, "strokeDasharray") for half in all_of(page, ".link:not(.stopped)")}
    assert dashes == {"none"}
    until(lambda: all(style(page, half, "strokeDasharray") != "none" for half in all_of(page, ".link.stopped")), "its lines are dashed")
    said = until(lambda: {way for way, use in uses(page).items() if use == "braked"}, "the table says so")
    assert said == {(BRAKED, "s000"), (BRAKED, "s001")}
    assert (FREE, "s002") in uses(page)
    until(lambda: "1 of them paused" in text(page, ".rollout"), "the rollout says that a site does not get on")
    sources = lambda: {row[0]: row[3] for row in cells(page, "#sites")}  # noqa: E731
    until(lambda: sources()["s001"] == "paused", lambda: f"the table of sites says so: {cells(page, '#sites')}")
    assert sources()["s002"] == "s000"
    picture("braked")
    tracker.brake(f"link={BRAKED}", False)
    until(lambda: not all_of(page, ".link.stopped") and "braked" not in uses(page).values(), "nothing is braked")
    until(lambda: "paused" not in text(page, ".rollout"), "the rollout goes on")


def test_a_braked_rollout_says_so_and_its_links_are_not_called_braked(page, tracker):
    tracker.brake(f"content={'01' * 19}00", True)
    until(lambda: "braked: nothing of it crosses a link" in text(page, ".rollout"), "the rollout is called braked")
    assert not all_of(page, ".link.stopped"), "other rollouts may use them"
    tracker.brake(f"content={'01' * 19}00", False)
    until(lambda: "braked" not in text(page, ".rollout"), "it is released")


def test_figures_are_dimmed_with_their_time_while_the_tracker_does_not_answer_and_bright_again_when_it_does(page, tracker, picture):
    main = page.find_element(By.TAG_NAME, "main")
    looks = lambda: (style(page, main, "opacity"), style(page, main, "filter"))  # noqa: E731
    assert looks() == ("1", "none")
    rows = len(uses(page))
    tracker.stop()
    until(lambda: text(page, "#connection").startswith("the tracker does not answer; trying again"), "the page says that it is alone")
    assert "what is shown is of " in text(page, "#connection")
    assert looks() == ("0.5", "grayscale(1)"), "what is shown may not be true any more"
    assert len(uses(page)) == rows > 0 and len(all_of(page, ".site")) == SITES, "and is still there to be read"
    assert style(page, page.find_element(By.TAG_NAME, "header"), "opacity") == "1", "the reason is not dimmed"
    picture("away")
    tracker.start()
    until(lambda: text(page, "#connection") == "live", "the page is live without a reload")
    assert looks() == ("1", "none")
