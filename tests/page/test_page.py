"""
The page as a person at a browser sees it while a rollout is under way. The tests follow one another on one page.
"""

import http.client
import json
import re
import urllib.parse

import pytest
from axe_selenium_python import Axe
from conftest import HERE, all_of, open_page, text
from harness import address, until
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

SITES = {"hq", "region", "north", "south", "coast"}


def progress(browser):
    return browser.execute_script("return document.querySelector('.rollout progress')?.value ?? 0")


def get(netloc, target, source=None, **headers):
    """
    The answer to a request, from an address of its own if need be.
    """
    connection = http.client.HTTPConnection(netloc, timeout=10, source_address=source and (source, 0))
    try:
        connection.request("GET", target, headers=headers)
        return connection.getresponse()
    finally:
        connection.close()


def announce(lab, agent, source, **more):
    """
    An announce of an agent that has everything.
    """
    content = lab.status()["contents"][0]
    query = {"info_hash": bytes.fromhex(content["info_hash"]), "peer_id": b"-XX0000-000000000000", "port": 6881, "left": 0}
    query |= {"uploaded": 0, "downloaded": 0, "narrows": 1, "agent": agent, **more}
    target = f"/announce?{urllib.parse.urlencode(query)}"
    assert get(address(lab.tracker, "listen"), target, source).status == 200


@pytest.fixture(scope="module")
def page(lab, browser):
    return open_page(browser, lab.url, len(SITES))


def test_every_site_and_link_of_the_map_is_drawn_and_the_rollout_moves_by_itself(page):
    assert {site.get_attribute("data-site") for site in all_of(page, ".site")} == SITES
    assert len(all_of(page, ".link")) == 2 * 4
    # the rollout is for the eight clients, not for the two seeders that it began with
    until(lambda: "of 8 machines" in text(page, ".rollout"), "all are known")
    first = progress(page)
    until(lambda: progress(page) > first + 0.03, "more has arrived, without a reload")


def test_links_in_use_are_coloured_towards_where_the_bytes_go_and_arrows_say_who_fetches_from_whom(page, picture):
    until(lambda: len(all_of(page, ".link.use-1, .link.use-2, .link.use-3")) >= 4, "four directions are in use")
    assert not all_of(page, ".link.use-4"), "nothing is above its budget"
    until(lambda: len(all_of(page, ".arrow")) == 4, "each of four sites fetches from another")
    rows = until(lambda: [row.text for row in all_of(page, "#links tbody tr") if "Mbit/s of" in row.text], "the table has numbers")
    assert any(row.startswith("hq-region region") for row in rows), rows
    picture("rollout")


def test_a_click_on_a_site_lists_its_agents_with_role_and_why(page):
    page.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", all_of(page, '[data-site="north"]')[0])
    until(lambda: len(all_of(page, "#agents tbody tr")) == 2, "two agents are listed")
    assert "Agents at north" in text(page, "#agents-title")
    rows = [row.text for row in all_of(page, "#agents tbody tr")]
    assert rows[0].startswith("north-") and " gateway " in rows[0] and "127.2." in rows[0], rows
    assert " member " in rows[1]
    assert text(page, "#agents-range") == "1 to 2 of 2"


def test_the_keyboard_alone_reaches_a_sites_agents(page):
    page.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(60):
        page.switch_to.active_element.send_keys(Keys.TAB)
        if page.switch_to.active_element.get_attribute("data-site") == "south":
            break
    site = page.switch_to.active_element
    assert site.get_attribute("data-site") == "south"
    assert re.search(r"south: \d+ %, \d of 2 complete", site.get_attribute("aria-label"))
    site.send_keys(Keys.ENTER)
    until(lambda: "Agents at south" in text(page, "#agents-title"), "the agents of south are shown")
    assert page.switch_to.active_element.get_attribute("id") == "agents-title"


def test_a_site_map_with_a_typo_is_told_the_line_and_the_fix_and_a_right_one_is_drawn_as_not_in_force(page, tmp_path, picture):
    right = (HERE / "sites.yaml").read_text() + "  - {between: [coast, isle], rate: 4 Mbit/s}\n"
    right = right.replace("links:\n", "  isle: {networks: [127.6.0.0/16]}\nlinks:\n")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(right.replace("between: [region, north]", "between: [region, nort]"))
    chooser = page.find_element(By.ID, "file")
    chooser.send_keys(str(wrong))
    said = until(lambda: text(page, "#checked"), "the mistakes are shown")
    line = 1 + wrong.read_text().splitlines().index("  - {between: [region, nort], rate: 16 Mbit/s}")
    assert f"Line {line}" in said and 'did you mean "north"' in said, said
    picture("typo")
    assert len(all_of(page, ".site")) == len(SITES)
    (tmp_path / "right.yaml").write_text(right)
    chooser.send_keys(str(tmp_path / "right.yaml"))
    until(lambda: len(all_of(page, ".site")) == len(SITES) + 1, "the new map is drawn")
    said = text(page, "#checked")
    assert "not in force" in said and "Sites added: isle." in said and "Links added: coast and isle." in said, said
    page.find_element(By.ID, "in-force").click()
    until(lambda: len(all_of(page, ".site")) == len(SITES), "the map in force is back")
    assert not all_of(page, "#checked p")


def test_a_name_in_the_search_brings_the_site_to_the_middle(page):
    search = page.find_element(By.ID, "search")
    search.send_keys("coast" + Keys.ENTER)
    until(lambda: page.switch_to.active_element.get_attribute("data-site") == "coast", "the site has the focus")
    page.find_element(By.ID, "zoom-all").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
def test_the_page_is_readable_in_light_and_dark_wide_and_narrow(page, scheme, width, picture):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False})
    picture(f"{scheme}-{width}")
    assert page.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "it has to be moved sideways"
    axe = Axe(page)
    axe.inject()
    found = [(one["id"], node["html"]) for one in axe.run()["violations"] for node in one["nodes"]]
    # names on the map have an outline in the colour of the ground, which this rule does not see
    found = [(rule, html) for rule, html in found if (rule, html[:5]) != ("color-contrast", "<text")]
    assert found == [], found


def test_the_end_of_the_rollout_is_said_and_shown(page, lab):
    until(lambda: progress(page) == 1, "everything has arrived", 180)
    until(lambda: "complete everywhere" in text(page, ".rollout"), "the list says so")
    assert "rollout is complete on all 10 machines" in text(page, "#news")
    until(lambda: len(all_of(page, ".site.done")) == len(SITES), "every ring is full")
    assert all(site["seeders"] == site["peers"] for site in lab.status()["contents"][0]["sites"])


def test_machines_that_do_what_honest_ones_do_not_are_listed_with_address_and_what_they_call_themselves(page, lab, picture):
    assert not page.find_element(By.ID, "offenders-part").is_displayed()
    # a page of an evil name that was pointed here, and a machine that stops an agent by its id, which is no HTML
    asked = urllib.parse.urlsplit(lab.url).netloc
    assert get(asked, "/status", Host="evil.example").status == 421
    named = "<img src=x onerror=alert(1)>"
    announce(lab, named, "127.2.0.201", key="00000001", event="started")
    announce(lab, named, "127.3.0.201", key="00000002", event="stopped")
    # what an agent says of a peer is a claim
    announce(lab, "b1-9", "127.4.0.201", key="00000003", event="started", offender="no_delivery:127.5.0.66")
    rows = until(lambda: len(found := all_of(page, "#offenders tbody tr")) >= 2 and found, "both are shown")
    said = [row.text for row in rows]
    assert any(row.startswith("foreign host 127.0.0.1") for row in said), said
    assert any(row.startswith(f"id taken 127.3.0.201 {named} north") for row in said), said
    assert page.find_elements(By.CSS_SELECTOR, "#offenders img") == []
    reported = until(lambda: [row.text for row in all_of(page, "#reported tbody tr")], "what an agent said is shown")
    assert len(reported) == 1 and reported[0].startswith("no delivery 127.5.0.66 coast 1 address "), reported
    picture("offenders")


def test_nothing_was_asked_of_anybody_else_and_nothing_was_refused_or_wrong(page, lab):
    messages = [entry for entry in page.get_log("browser") if entry["level"] != "INFO"]
    assert messages == []
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert asked and all(url.startswith((lab.url, "data:", "chrome:")) for url in asked), asked
