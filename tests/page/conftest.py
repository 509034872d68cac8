"""
A rollout in the lab, and a browser that looks at it.
"""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from harness import answers, program_folder, until  # noqa: E402


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


class Lab:
    """
    60 MB to eight clients at four sites; everything stays at the end until `stop`.
    """

    COMMAND = "--json --hold --no-kills --size 60MB --seeds hq=2 --clients region=2,north=2,south=2,coast=2 --timeout 240".split()

    def __init__(self, root, programs):
        self.said = root / "lab.err"
        command = [programs / "narrows-lab", "--bin-dir", programs, "--keep", root / "run", "--sites", HERE / "sites.yaml", *self.COMMAND]
        with open(self.said, "wb") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
        config = root / "run/tracker/tracker.yaml"
        until(lambda: self._alive() and config.exists() and "torrents" in config.read_text(), "the lab has configured a tracker")
        self.url = f"http://{yaml.safe_load(config.read_text())['admin']}/"
        until(lambda: self._alive() and answers(f"{self.url}healthz"), "the tracker answers")
        until(lambda: self._alive() and self.status()["contents"], "there is a rollout")

    def _alive(self):
        assert self.process.poll() is None, self.said.read_text()
        return True

    def status(self):
        with urllib.request.urlopen(f"{self.url}status", timeout=10) as answer:
            return json.load(answer)

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(60)
            finally:
                self.process.terminate()
                self.process.wait(30)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    programs = program_folder("narrows-lab", "narrows-tracker", "narrows-agent")
    if not programs:
        pytest.fail("no narrows-lab, narrows-tracker and narrows-agent: build them, or set NARROWS_BIN_DIR")
    lab = Lab(tmp_path_factory.mktemp("page"), programs)
    yield lab
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
