// Rollouts as a list, and the chosen one by site as a table.

import { bytes, complete, duration, element, fill, percent, rate } from "./text.js";
import { useWords } from "./map.js";

const list = document.getElementById("rollouts");
const cards = new Map();

const SITE_HEADS = [["Site"], ["Has", "number"], ["Complete", "number"], ["From"], ["Share", "number"]];
const LINK_HEADS = [["Link"], ["Towards"], ["Use"]];

function words(rollout) {
  if (rollout.waiting_sites === 0) {
    return rollout.complete === rollout.peers ? "complete everywhere" : "every site has it; its machines are filling up";
  }
  if (rollout.braked) return "braked: nothing of it crosses a link";
  const wait = `${rollout.waiting_sites} of ${rollout.sites} sites wait`;
  if (rollout.paused_sites >= rollout.waiting_sites) return `${wait}; paused`;
  const paused = rollout.paused_sites > 0 ? `, ${rollout.paused_sites} of them paused` : "";
  return `${wait}${paused}; at least ${duration(rollout.bound_seconds)} more`;
}

/** `choose` is called with a rollout's name. */
export function show(rollouts, chosen, choose) {
  const names = new Set(rollouts.map((rollout) => rollout.name));
  for (const [name, card] of cards) {
    if (!names.has(name)) { card.button.remove(); cards.delete(name); }
  }
  rollouts.forEach((rollout, n) => {
    let card = cards.get(rollout.name);
    if (!card) {
      const bar = element("progress", { max: "1", "aria-label": `What the machines have of ${rollout.name}` });
      const [state, more, doubles] = [element("span"), element("span"), element("span", { class: "bad" })];
      const button = element("button", { type: "button", class: "rollout" }, element("strong", {}, rollout.name), bar, state, more, doubles);
      button.dataset.rollout = rollout.name;
      button.addEventListener("click", () => choose(rollout.name));
      card = { button, bar, state, more, doubles };
      cards.set(rollout.name, card);
    }
    if (list.children[n] !== card.button) list.insertBefore(card.button, list.children[n] ?? null);
    card.button.setAttribute("aria-pressed", String(rollout.name === chosen));
    card.bar.value = rollout.progress ?? 0;
    card.state.textContent = `${percent(rollout.progress)} of ${bytes(rollout.size)}, ${complete(rollout)} machines complete; ${words(rollout)}`;
    const starving = rollout.starving > 0 ? `; ${rollout.starving} machines get nothing` : "";
    card.more.textContent = `WAN efficiency ${rollout.efficiency === null ? "not known yet" : percent(rollout.efficiency)}${starving}`;
    const doubles = rollout.doubles.map((double) => `${double.addresses.length} machines call themselves ${double.agent}: ${double.addresses.join(", ")}`);
    const shared = rollout.shared.map((shared) => `${shared.peers} machines announce from ${shared.address} (NAT?) and cannot all be reached there`);
    card.doubles.textContent = [...doubles, ...shared].join("; ");
    card.more.className = rollout.starving > 0 ? "bad" : "";
  });
  if (rollouts.length === 0) list.replaceChildren("Nobody has or wants anything yet.");
  else if (list.firstChild?.nodeType === Node.TEXT_NODE) list.firstChild.remove();
}

/** The table of sites; `pick` is called with a site's name. */
export function showSites(rollout, pick) {
  document.getElementById("chosen").textContent = rollout?.name ?? "no rollout";
  const rows = (rollout?.sites ?? []).map((site) => {
    const button = element("button", { type: "button", class: "place" }, site.site);
    button.addEventListener("click", () => pick(button.textContent));
    const from = site.sources.map((source) => source.site).join(", ");
    const state = site.paused ? "paused" : site.starving > 0 ? "nobody to fetch from" : from || (site.waiting ? "waits" : "");
    return [button, percent(site.progress), complete(site), state, site.waiting ? rate(site.rate) : ""];
  });
  fill(document.getElementById("sites"), SITE_HEADS, rows);
}

export function showLinks(uses) {
  // those in use first, so that nobody has to look for them
  const sorted = [...uses].sort((a, b) => b.used - a.used || a.link.localeCompare(b.link)).slice(0, 200);
  fill(document.getElementById("links"), LINK_HEADS, sorted.map((use) => [use.link, use.to, useWords(use)]));
}
