// Small drawings of figures over time.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const SIZE = { width: 100, height: 30 };

export const byId = (id) => document.getElementById(id);

export function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

export function draw(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Draws values, of which null is none, from `least` to `most` into an SVG, the newest at the right.
export function plot(svg, values, { kept, least = 0, most }) {
  const shown = values.slice(-kept);
  const top = Math.max(most, least + 1e-9);
  const first = kept - shown.length;
  const points = shown
    .map((value, at) => [value, (first + at) * (SIZE.width / (kept - 1))])
    .filter(([value]) => value !== null && value !== undefined)
    .map(([value, x]) => {
      const share = Math.min(Math.max((value - least) / (top - least), 0), 1);
      return `${x.toFixed(2)},${(SIZE.height - 1 - share * (SIZE.height - 2)).toFixed(2)}`;
    });
  svg.setAttribute("viewBox", `0 0 ${SIZE.width} ${SIZE.height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (!points.length) {
    svg.replaceChildren();
    return;
  }
  const left = points[0].split(",")[0];
  const right = points.at(-1).split(",")[0];
  const around = `${left},${SIZE.height} ${points.join(" ")} ${right},${SIZE.height}`;
  svg.replaceChildren(
    draw("polygon", { class: "area", points: around }),
    draw("polyline", { class: "curve", points: points.join(" ") }),
  );
}
