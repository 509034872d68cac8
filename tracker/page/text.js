// Numbers for people, and elements. Texts go in as text alone: nothing here makes HTML of data.

/** A number of bytes, as 1.2 GB. */
export function bytes(count) {
  if (count === null || count === undefined) return "?";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit += 1; }
  return `${unit === 0 || count >= 100 ? Math.round(count) : count.toFixed(1)} ${units[unit]}`;
}

/** A rate in bytes per second, as the site map writes it; null: no limit. */
export function rate(bytesPerSecond) {
  if (bytesPerSecond === null || bytesPerSecond === undefined) return "unlimited";
  let bits = bytesPerSecond * 8;
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let unit = 0;
  while (bits >= 1000 && unit < units.length - 1) { bits /= 1000; unit += 1; }
  return `${bits >= 100 || Number.isInteger(bits) ? Math.round(bits) : bits.toFixed(1)} ${units[unit]}`;
}

export function percent(part) {
  return part === null || part === undefined ? "?" : `${Math.floor(part * 100)} %`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** An HTML element with attributes and children (texts or elements). */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Likewise of SVG. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Makes a table's rows those of `rows` (lists of texts, numbers or elements), touching only what has changed. */
export function fill(table, heads, rows) {
  if (!table.tHead) {
    const cells = heads.map(([text, kind]) => element("th", { scope: "col", class: kind ?? "" }, text));
    table.append(element("thead", {}, element("tr", {}, ...cells)), element("tbody"));
  }
  const body = table.tBodies[0];
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, n) => {
    const row = body.rows[n] ?? body.insertRow();
    cells.forEach((cell, m) => {
      const place = row.cells[m] ?? row.insertCell();
      place.className = heads[m][1] ?? "";
      if (cell instanceof Node) {
        if (place.firstChild?.textContent !== cell.textContent || !(place.firstChild instanceof Element)) place.replaceChildren(cell);
      } else if (place.textContent !== String(cell)) {
        place.textContent = cell;
      }
    });
  });
}

/** "2 of 3" of the machines that wanted it; where none did, of all. */
export function complete(some) {
  return some.wanted > 0 ? `${some.wanted_complete} of ${some.wanted}` : `${some.complete} of ${some.peers}`;
}
