"""
A rollout in the lab, and a browser that looks at it.
"""

import os
import pathlib
import sys

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import Lab, until  # noqa: E402


def all_of(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def text(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector).text


def open_page(browser, url, sites):
    """
    The browser, with a page that is live and has drawn so many sites.
    """
    browser.get(url)
    until(lambda: text(browser, "#connection") == "live", "the page is live")
    until(lambda: len(all_of(browser, ".site")) == sites, "the map is drawn")
    return browser


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """
    60 MB to eight clients at four sites.
    """
    arguments = "--no-kills --size 60MB --seeds hq=2 --clients region=2,north=2,south=2,coast=2 --timeout 240".split()
    lab = Lab(tmp_path_factory.mktemp("page") / "lab", HERE / "sites.yaml", arguments)
    try:
        yield lab
        lab.release()
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield browser
    browser.quit()


@pytest.fixture
def picture(browser):
    """
    Keeps a picture if NARROWS_SCREENSHOTS says where.
    """

    def take(name):
        folder = os.environ.get("NARROWS_SCREENSHOTS")
        if folder:
            browser.save_screenshot(str(pathlib.Path(folder) / f"{name}.png"))

    return take
