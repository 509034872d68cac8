// The agents of a site, a page at a time.

import { duration, fill, percent } from "./text.js";

const AT_ONCE = 100;
const HEADS = [["Agent"], ["Role"], ["Has", "number"], ["Why"]];
const part = document.getElementById("agents-part");
const table = document.createElement("table");
const place = document.getElementById("agents");
const filter = document.getElementById("agents-filter");
const [back, on] = [document.getElementById("agents-back"), document.getElementById("agents-on")];
let asked = { site: null, content: null, offset: 0 };

place.append(table);
filter.addEventListener("input", () => { asked.offset = 0; refresh(); });
back.addEventListener("click", () => { asked.offset = Math.max(0, asked.offset - AT_ONCE); refresh(); });
on.addEventListener("click", () => { asked.offset += AT_ONCE; refresh(); });

/** Shows a site's agents of a content and gives their title the focus. */
export async function open(site, content) {
  asked = { site, content, offset: 0 };
  filter.value = "";
  part.hidden = false;
  await refresh();
  document.getElementById("agents-title").focus();
}

/** Asks again what is shown, of another content if need be. */
export async function refresh(content = asked.content) {
  if (!asked.site || part.hidden) return;
  if (!content) return say("No rollout: nobody is known here.");
  if (content !== asked.content) asked = { ...asked, content, offset: 0 };
  const query = new URLSearchParams({ site: asked.site, content, offset: asked.offset, limit: AT_ONCE, filter: filter.value });
  const request = asked;
  let answer;
  try {
    const response = await fetch(`/agents?${query}`);
    if (!response.ok) return say(await response.text());
    answer = await response.json();
  } catch {
    return;
  }
  if (request !== asked) return;
  document.getElementById("agents-title").textContent = `Agents at ${answer.site}: ${content}`;
  fill(table, HEADS, answer.agents.map((agent) => [agent.id ?? agent.address, agent.role, percent(agent.progress), why(agent)]));
  const last = answer.offset + answer.agents.length;
  document.getElementById("agents-range").textContent = answer.total === 0 ? "nobody" : `${answer.offset + 1} to ${last} of ${answer.total}`;
  back.disabled = answer.offset === 0;
  on.disabled = last >= answer.total;
}

function why(agent) {
  const since = agent.since_seconds === null ? "" : `, for ${duration(agent.since_seconds)}`;
  const from = agent.upstream.length > 0 ? `; fetches from ${agent.upstream.join(", ")}` : "";
  return `${agent.because}${since}${from}${agent.step > 0 ? `; stalled, step ${agent.step}` : ""}`;
}

function say(sentence) {
  fill(table, HEADS, []);
  document.getElementById("agents-range").textContent = sentence;
}
