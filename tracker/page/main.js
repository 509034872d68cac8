// The page: listens to the tracker and brings its parts what they show.

import * as agents from "./agents.js";
import * as check from "./check.js";
import * as map from "./map.js";
import * as offenders from "./offenders.js";
import * as rollouts from "./rollouts.js";

const connection = document.getElementById("connection");
const news = document.getElementById("news");
const search = document.getElementById("search");

let inForce = null;
let drawsOther = false;
let state = null;
let chosen = null;
let chosenSite = null;
let detail = null;
let asking = false;
// when the tracker last said something
let heard = null;
const before = new Map();

map.start(pick);
check.start(() => inForce, (other, changes) => {
  drawsOther = other !== null;
  map.draw(other ?? inForce, changes);
  if (drawsOther || !state) return;
  map.showUse(state.links);
  paint();
});

search.addEventListener("change", () => {
  if (search.value && !map.goTo(search.value)) news.textContent = `There is no site ${search.value} in this map.`;
});

const events = new EventSource("/events");
// an open stream without a word says nothing yet of what is shown
events.addEventListener("open", () => { if (heard === null) connected(true); });
events.addEventListener("error", () => connected(false));
events.addEventListener("state", async (event) => {
  heard = new Date();
  connected(true);
  state = JSON.parse(event.data);
  if (inForce?.generation !== state.map_generation) await readMap();
  if (!state.rollouts.some((rollout) => rollout.name === chosen)) chosen = state.rollouts[0]?.name ?? null;
  document.getElementById("map-state").textContent = state.map_valid ? "" : "The site map on disk has a mistake and was refused; this is the one in force.";
  document.getElementById("map-state").className = state.map_valid ? "" : "bad";
  tell(state.rollouts);
  rollouts.show(state.rollouts, chosen, choose);
  rollouts.showLinks(state.links);
  offenders.show(state.offenders);
  offenders.showReported(state.reported_offenders);
  if (!drawsOther) map.showUse(state.links);
  await readDetail();
});

function connected(is) {
  const last = heard ? `; what is shown is of ${heard.toLocaleTimeString()}` : "";
  connection.textContent = is ? "live" : `the tracker does not answer; trying again${last}`;
  connection.classList.toggle("away", !is);
  // what is shown may not be true any more
  document.body.classList.toggle("stale", !is && heard !== null);
}

async function readMap() {
  const response = await fetch("/map");
  if (!response.ok) return;
  inForce = await response.json();
  document.getElementById("site-names").replaceChildren(...inForce.sites.map((site) => {
    const option = document.createElement("option");
    option.value = site.name;
    return option;
  }));
  if (!drawsOther) map.draw(inForce);
}

/** The chosen rollout by site, and the agents that are shown; one question at a time. */
async function readDetail() {
  if (asking) return;
  asking = true;
  try {
    const wanted = chosen;
    const response = wanted ? await fetch(`/rollout?${new URLSearchParams({ content: wanted })}`) : null;
    detail = response?.ok ? await response.json() : null;
    paint();
    await agents.refresh(chosen);
  } catch {
    // the stream says that the tracker is away
  } finally {
    asking = false;
  }
}

function paint() {
  rollouts.showSites(detail, pick);
  if (!drawsOther) map.showRollout(detail, chosenSite);
}

function choose(name) {
  chosen = name;
  rollouts.show(state.rollouts, chosen, choose);
  readDetail();
}

function pick(site) {
  chosenSite = site;
  paint();
  agents.open(site, chosen);
}

/** Says what matters, once: for those who do not look. */
function tell(all) {
  for (const rollout of all) {
    const [complete, starving] = [rollout.peers > 0 && rollout.complete === rollout.peers, rollout.starving > 0];
    const was = before.get(rollout.name);
    if (was && complete && !was.complete) news.textContent = `${rollout.name} is complete on all ${rollout.peers} machines.`;
    if (was && starving && !was.starving) news.textContent = `${rollout.name}: machines wait and have nobody to fetch from.`;
    before.set(rollout.name, { complete, starving });
  }
}
