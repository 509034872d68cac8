// Machines that do what honest ones do not.

import { duration, element, fill } from "./text.js";

const HEADS = [["Does"], ["Address"], ["Calls itself"], ["Site"], ["Times", "number"], ["Last", "number"]];

const REPORTED_HEADS = [["Does"], ["Address"], ["Site"], ["Reported by"], ["Last", "number"]];
// so many reporters are told apart
const MOST = 8;

/** Shows them, those that did last first; nothing where there is none. */
export function show(offenders) {
  document.getElementById("offenders-part").hidden = offenders.length === 0;
  fill(document.getElementById("offenders"), HEADS, offenders.map((offender) => [
    element("span", { title: offender.means }, offender.offence.replaceAll("_", " ")),
    offender.ip,
    offender.agent ?? "",
    offender.site ?? "none",
    offender.times,
    ago(offender),
  ]));
}

/** Shows what agents say of peers, those that most name first. */
export function showReported(reported) {
  document.getElementById("reported-part").hidden = reported.length === 0;
  fill(document.getElementById("reported"), REPORTED_HEADS, reported.map((one) => [
    one.offence.replaceAll("_", " "),
    one.ip,
    one.site ?? "none",
    one.reporters === 1 ? "1 address" : `${one.reporters}${one.reporters >= MOST ? " or more" : ""} addresses`,
    ago(one),
  ]));
}

function ago(one) {
  return one.last_seconds_ago < 5 ? "now" : `${duration(one.last_seconds_ago)} ago`;
}
