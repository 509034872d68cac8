// The map: sites, links as thick as their rate and coloured by use, arrows for who fetches from whom.

import { complete, percent, rate, shape } from "./text.js";

const svg = document.getElementById("map");
const CLASSES = ["use-0", "use-1", "use-2", "use-3", "use-4", "stopped"];
const LABELS = ["idle", "up to 50 %", "up to 90 %", "near its budget", "above its budget", "paused or braked"];
// of a map with room; where sites lie closer, all of it is drawn smaller
const RADIUS = 13;
const ROOM = 64;
const FONT = 13;
const RATE_FONT = 11;
// of the letters of a name, on average, in parts of their size
const LETTER = 0.62;

let drawn = null;
let places = new Map();
let parts = new Map();
let size = { scale: 1, font: FONT };
let view = { x: 0, y: 0, width: 100, height: 100 };
let onSite = () => {};

/** How a direction of a link is used: a class of its own for colours and words. */
export function usage({ used, rate: limit, braked, over }) {
  if (braked || limit === 0) return 5;
  const part = limit === null ? (used > 0 ? 0.25 : 0) : used / limit;
  if (part < 0.01) return 0;
  return part <= 0.5 ? 1 : part <= 0.9 ? 2 : over ? 4 : 3;
}

export function useWords(use) {
  if (use.braked) return "braked";
  if (use.rate === 0) return "paused";
  return use.rate === null ? rate(use.used) : `${rate(use.used)} of ${rate(use.rate)}, ${percent(use.used / use.rate)}`;
}

/** `pick` is called with a site's name when somebody chooses one. */
export function start(pick) {
  onSite = pick;
  const legend = document.getElementById("legend");
  LABELS.forEach((label, n) => {
    const item = document.createElement("li");
    const sample = document.createElement("i");
    sample.className = CLASSES[n];
    item.append(sample, label);
    legend.append(item);
  });
  document.getElementById("zoom-in").addEventListener("click", () => zoom(0.75));
  document.getElementById("zoom-out").addEventListener("click", () => zoom(1 / 0.75));
  document.getElementById("zoom-all").addEventListener("click", showAll);
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.deltaY < 0 ? 0.85 : 1 / 0.85, at(event));
  }, { passive: false });
  let from = null;
  svg.addEventListener("pointerdown", (event) => { from = at(event); });
  addEventListener("pointerup", () => { from = null; });
  svg.addEventListener("pointermove", (event) => {
    if (!from || event.buttons === 0) return;
    const to = at(event);
    look({ ...view, x: view.x + from.x - to.x, y: view.y + from.y - to.y });
  });
  svg.addEventListener("keydown", (event) => {
    const step = view.width / 8;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key === "+") zoom(0.75);
    else if (event.key === "-") zoom(1 / 0.75);
    else if (event.key === "0") showAll();
    else if (moves[event.key]) look({ ...view, x: view.x + moves[event.key][0], y: view.y + moves[event.key][1] });
    else return;
    event.preventDefault();
  });
}

function at(event) {
  const box = svg.getBoundingClientRect();
  const scale = Math.max(view.width / box.width, view.height / box.height);
  return {
    x: view.x + view.width / 2 + (event.clientX - box.left - box.width / 2) * scale,
    y: view.y + view.height / 2 + (event.clientY - box.top - box.height / 2) * scale,
  };
}

function look(wanted) {
  view = wanted;
  svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  const box = svg.getBoundingClientRect();
  const scale = Math.max(view.width / (box.width || 1), view.height / (box.height || 1));
  // texts smaller than nine pixels only hide the map
  svg.classList.toggle("small-labels", size.font / scale < 9);
  svg.classList.toggle("small-rates", (RATE_FONT * size.scale) / scale < 9);
}

function zoom(factor, centre = { x: view.x + view.width / 2, y: view.y + view.height / 2 }) {
  look({
    x: centre.x - (centre.x - view.x) * factor, y: centre.y - (centre.y - view.y) * factor,
    width: view.width * factor, height: view.height * factor,
  });
}

function showAll() {
  const sites = drawn?.sites ?? [];
  if (sites.length === 0) return;
  const xs = sites.map((site) => site.x);
  const ys = sites.map((site) => site.y);
  const [left, top] = [Math.min(...xs) - 70, Math.min(...ys) - 50];
  look({ x: left, y: top, width: Math.max(...xs) + 70 - left, height: Math.max(...ys) + 60 - top });
}

/** How large to draw sites, and their names, so that neither covers those beside. */
function fit(sites) {
  let nearest = Infinity;
  sites.forEach((one, n) => {
    for (const other of sites.slice(n + 1)) nearest = Math.min(nearest, Math.hypot(one.x - other.x, one.y - other.y));
  });
  // two in one place hide each other, but not all the others
  nearest = Math.max(nearest, 1);
  const scale = Math.min(1, nearest / ROOM);
  // beside each other names have as much room as their sites
  const longest = Math.max(1, ...sites.map((site) => site.name.length));
  return { scale, font: Math.min(FONT * scale, (0.95 * nearest) / (LETTER * longest)) };
}

/** Brings a site to the middle and gives it the focus. */
export function goTo(name) {
  const site = places.get(name);
  if (!site) return false;
  const width = Math.min(view.width, 700 * size.scale);
  const height = width * view.height / view.width;
  look({ x: site.x - width / 2, y: site.y - height / 2, width, height });
  parts.get(`site ${name}`).group.focus();
  return true;
}

/** Draws a map (what /map says); `changes`: names of sites and links that are new. */
export function draw(map, changes = new Set()) {
  drawn = map;
  parts = new Map();
  size = fit(map.sites);
  svg.style.setProperty("--scale", size.scale);
  places = new Map(map.sites.map((site) => [site.name, site]));
  const marker = shape("marker", { id: "head", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" },
    shape("path", { d: "M0 0 8 4 0 8z", class: "arrow-head" }));
  const lines = shape("g");
  const rates = shape("g");
  for (const link of map.links) {
    const [a, b] = link.ends.map((end) => places.get(end));
    const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    const megabits = link.base_rate === null ? 10000 : (link.base_rate * 8) / 1e6;
    const width = size.scale * Math.min(14, Math.max(1.5, 2 + 2.2 * Math.log10(Math.max(megabits, 0.5))));
    // each half is the direction towards its end
    const halves = [a, b].map((end) => shape("path", { d: `M${middle.x} ${middle.y} ${end.x} ${end.y}`, class: "link use-0", "stroke-width": width }));
    if (changes.has(link.name)) halves.forEach((half) => half.classList.add("new"));
    const title = shape("title", {}, `${link.name}: ${rate(link.rate)}`);
    const label = shape("text", { class: "rate", x: middle.x, y: middle.y - 4 * size.scale, "font-size": RATE_FONT * size.scale }, rate(link.rate));
    lines.append(shape("g", {}, title, ...halves));
    rates.append(label);
    parts.set(`link ${link.name}`, { halves, title, label, ends: link.ends });
  }
  const sites = shape("g");
  for (const site of map.sites) {
    const radius = size.scale * (site.transit ? 6 : RADIUS);
    const body = shape("circle", { class: "body", r: radius });
    const ring = shape("circle", { class: "ring", r: radius, pathLength: 100, "stroke-dasharray": "0 100", transform: "rotate(-90)" });
    const label = shape("text", { y: radius + 3 * size.scale + size.font, "font-size": size.font }, site.name);
    const title = shape("title", {}, `${site.name}: ${site.transit ? "transit" : site.networks.join(", ")}`);
    const group = shape("g", { class: site.transit ? "site transit" : "site", transform: `translate(${site.x} ${site.y})` }, title, body, ring, label);
    if (!site.transit) {
      group.setAttribute("role", "button");
      group.setAttribute("tabindex", "0");
      group.setAttribute("aria-label", site.name);
      group.dataset.site = site.name;
      group.addEventListener("click", () => onSite(site.name));
      group.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onSite(site.name);
      });
    }
    if (changes.has(site.name)) group.classList.add("new");
    sites.append(group);
    parts.set(`site ${site.name}`, { group, ring, title });
  }
  svg.replaceChildren(shape("defs", {}, marker), lines, shape("g", { id: "arrows" }), rates, sites);
  showAll();
}

/** Colours links by their use, both directions. */
export function showUse(uses) {
  for (const use of uses) {
    const part = parts.get(`link ${use.link}`);
    if (!part) continue;
    const half = part.halves[part.ends.indexOf(use.to)];
    half?.setAttribute("class", `link ${CLASSES[usage(use)]}`);
    part[use.to] = `towards ${use.to} ${useWords(use)}`;
    part.title.textContent = `${use.link}: ${part.ends.map((end) => part[end] ?? "").join("; ")}`;
    part.label.textContent = rate(use.rate);
  }
}

/** Shows a rollout (what /rollout says): rings for progress, arrows from whom each site fetches. */
export function showRollout(rollout, chosen) {
  const known = new Map((rollout?.sites ?? []).map((site) => [site.site, site]));
  const arrows = [];
  for (const site of drawn?.sites ?? []) {
    const part = parts.get(`site ${site.name}`);
    const state = known.get(site.name);
    const progress = state?.progress ?? 0;
    part.ring.setAttribute("stroke-dasharray", `${progress * 100} 100`);
    const list = part.group.classList;
    list.toggle("done", Boolean(state) && state.complete === state.peers);
    list.toggle("hungry", Boolean(state) && state.starving > 0);
    list.toggle("chosen", site.name === chosen);
    if (!site.transit) {
      const words = state ? `${percent(progress)}, ${complete(state)} complete` : "nobody has or wants it";
      part.group.setAttribute("aria-label", rollout ? `${site.name}: ${words}` : site.name);
      part.title.textContent = `${site.name}: ${words}; ${site.networks.join(", ")}`;
    }
    for (const source of state?.waiting ? state.sources : []) arrows.push(arrow(source, site.name));
  }
  document.getElementById("arrows")?.replaceChildren(...arrows.filter(Boolean));
}

/** Along the links of the way, beside their lines. */
function arrow(source, to) {
  const way = [places.get(source.site)];
  for (const name of source.route) {
    const here = way.at(-1)?.name;
    const link = drawn.links.find((one) => one.name === name);
    if (!link || !link.ends.includes(here)) return null;
    way.push(places.get(link.ends.find((end) => end !== here)));
  }
  if (way.length < 2 || way.at(-1)?.name !== to) return null;
  const points = [];
  for (let n = 0; n + 1 < way.length; n += 1) {
    const [a, b] = [way[n], way[n + 1]];
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const [ux, uy] = [(b.x - a.x) / length, (b.y - a.y) / length];
    const aside = 9 * size.scale;
    const begin = size.scale * (n === 0 ? RADIUS + 3 : 6);
    const end = size.scale * (n + 2 === way.length ? RADIUS + 5 : 6);
    points.push([a.x + ux * begin - uy * aside, a.y + uy * begin + ux * aside]);
    points.push([b.x - ux * end - uy * aside, b.y - uy * end + ux * aside]);
  }
  return shape("path", { class: "arrow", d: `M${points.map((point) => point.join(" ")).join("L")}`, "marker-end": "url(#head)" });
}
