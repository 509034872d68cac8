// Machines that do what honest ones do not.

import { duration, element, fill } from "./text.js";

const HEADS = [["Does"], ["Address"], ["Calls itself"], ["Site"], ["Times", "number"], ["Last", "number"]];

/** Shows them, those that did last first; nothing where there is none. */
export function show(offenders) {
  document.getElementById("offenders-part").hidden = offenders.length === 0;
  fill(document.getElementById("offenders"), HEADS, offenders.map((offender) => [
    element("span", { title: offender.means }, offender.offence.replaceAll("_", " ")),
    offender.ip,
    offender.agent ?? "",
    offender.site ?? "none",
    offender.times,
    offender.last_seconds_ago < 5 ? "now" : `${duration(offender.last_seconds_ago)} ago`,
  ]));
}
