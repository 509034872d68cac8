"""
The page with 200 sites and 10,000 machines, of which the tracker is told; nothing is transferred.
"""

import sys
import types

import pytest
from conftest import HERE, all_of, open_page, text
from harness import program_folder, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

sys.path.insert(0, str(HERE.parent / "bench"))
import scrape  # noqa: E402

SITES, AGENTS = 200, 10_000

#: Pairs of shown elements of which one covers a part of the other, in this page.
OVERLAPPING = """
const boxes = [...document.querySelectorAll(arguments[0])].map((one) => [one.parentElement.dataset.site, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0);
const found = [];
boxes.forEach(([one, a], n) => {
  for (const [other, b] of boxes.slice(n + 1)) {
    if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom) found.push(`${one} and ${other}`);
  }
});
return [boxes.length, found];
"""


@pytest.fixture(scope="module")
def page(browser):
    programs = program_folder("narrows-tracker")
    with scrape.running(programs, SITES) as (port, admin):
        scrape.fill(types.SimpleNamespace(agents=AGENTS, contents=1, sites=SITES), port)
        yield open_page(browser, f"http://127.0.0.1:{admin}/", SITES)


def test_every_site_is_drawn_and_none_covers_another(page, picture):
    until(lambda: "199 of 200 sites wait" in text(page, ".rollout"), "the rollout is listed")
    # those of the first site had it before
    assert f"of {AGENTS - AGENTS // SITES} machines" in text(page, ".rollout")
    until(lambda: len(all_of(page, ".arrow")) == SITES - 1, "each of the others fetches from somewhere")
    picture("large")
    assert page.execute_script(OVERLAPPING, ".site .body") == [SITES, []]


def test_names_appear_where_there_is_room_and_cover_no_other(page, picture):
    shown, covered = page.execute_script(OVERLAPPING, ".site text")
    assert covered == []
    for _ in range(12):
        page.find_element(By.ID, "zoom-in").click()
        more, covered = page.execute_script(OVERLAPPING, ".site text")
        assert covered == [] and more >= shown
        shown = more
    picture("large-near")
    assert shown == SITES, "from near enough, every name is there"
    page.find_element(By.ID, "zoom-all").click()


def test_a_site_is_found_by_its_name_and_its_machines_are_listed_page_by_page(page):
    search = page.find_element(By.ID, "search")
    search.send_keys("s117" + Keys.ENTER)
    until(lambda: page.switch_to.active_element.get_attribute("data-site") == "s117", "the site has the focus")
    page.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: "Agents at s117" in text(page, "#agents-title") and all_of(page, "#agents tbody tr"), "its machines are listed")
    assert text(page, "#agents-range").endswith(f"of {AGENTS // SITES}")


def test_two_hundred_rows_scroll_in_their_own_box_and_the_page_stays_live(page):
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert page.execute_script("return document.documentElement.scrollHeight") < 4000, "a list is as long as the map is large"
    # the next second's state comes although ten thousand are there
    page.execute_script("window.heard = 0; new EventSource('/events').addEventListener('state', () => { window.heard += 1; })")
    until(lambda: page.execute_script("return window.heard") >= 2, "two states have come")
    assert text(page, "#connection") == "live"
    assert [entry for entry in page.get_log("browser") if entry["level"] != "INFO"] == []
