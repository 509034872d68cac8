// A site map that is being edited: dropped or chosen, checked by the tracker, and drawn or its mistakes shown. Nothing changes.

import { element } from "./text.js";

const part = document.getElementById("map-part");
const place = document.getElementById("checked");
const input = document.getElementById("file");
const back = document.getElementById("in-force");

/** `show` is called with a map that is right and the names in it that are new, or with null for the map in force. */
export function start(inForce, show) {
  document.getElementById("file-button").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length > 0) check(input.files[0], inForce(), show);
    input.value = "";
  });
  back.addEventListener("click", () => {
    place.replaceChildren();
    back.hidden = true;
    show(null);
  });
  part.addEventListener("dragover", (event) => { event.preventDefault(); part.classList.add("dropping"); });
  part.addEventListener("dragleave", () => part.classList.remove("dropping"));
  part.addEventListener("drop", (event) => {
    event.preventDefault();
    part.classList.remove("dropping");
    if (event.dataTransfer.files.length > 0) check(event.dataTransfer.files[0], inForce(), show);
  });
}

async function check(file, inForce, show) {
  let answer;
  try {
    const response = await fetch("/check", { method: "POST", body: await file.text() });
    if (!response.ok) throw new Error(await response.text());
    answer = await response.json();
  } catch (problem) {
    place.replaceChildren(element("p", { class: "bad" }, `${file.name} could not be checked: ${problem.message}`));
    return;
  }
  if (answer.mistakes) {
    const count = answer.mistakes.length;
    const head = element("p", { class: "bad" }, `${file.name} has ${count} mistake${count === 1 ? "" : "s"}:`);
    place.replaceChildren(head, ...answer.mistakes.map((mistake) => element("div", { class: "mistake" },
      element("strong", {}, `Line ${mistake.line}, column ${mistake.column}: ${mistake.problem}`),
      element("pre", {}, mistake.source),
      ...(mistake.help ? [element("span", {}, mistake.help)] : []))));
    return;
  }
  const { changes, words } = differences(inForce, answer.map);
  place.replaceChildren(element("p", { class: "not-in-force" }, `This is ${file.name}, which is right and not in force.`), element("p", {}, words));
  back.hidden = false;
  show(answer.map, changes);
}

function differences(before, after) {
  const changes = new Set();
  const sentences = [];
  for (const [kind, plural] of [["sites", "Sites"], ["links", "Links"]]) {
    const key = (one) => kind === "sites" ? one.name : [...one.ends].sort().join(" and ");
    const [old, now] = [before[kind], after[kind]].map((all) => new Map(all.map((one) => [key(one), one])));
    const added = [...now.keys()].filter((name) => !old.has(name));
    const gone = [...old.keys()].filter((name) => !now.has(name));
    const other = [...now.keys()].filter((name) => old.has(name)
      && (kind === "links" ? old.get(name).base_rate !== now.get(name).base_rate : String(old.get(name).networks) !== String(now.get(name).networks)));
    for (const name of [...added, ...other]) changes.add(now.get(name).name);
    const list = (what, names) => names.length > 0 ? `${plural} ${what}: ${names.join(", ")}.` : "";
    sentences.push(list("added", added), list("gone", gone), list(kind === "links" ? "with another rate" : "with other networks", other));
  }
  const said = sentences.filter(Boolean).join(" ");
  return { changes, words: said || "It is the same map as the one in force." };
}
