// A trace as tracks: a service each by its priority, with its steps, waits, lines and calls.
"use strict";

import { byId, draw } from "./draw.js";

const SHAPE = { label: 130, row: 22, bar: 14, ticks: 10, least: 700 };
const CLOSEST = 256;

let shown = null;
let closeness = 1;

// The next of 1, 2, 5, 10, 20 ... that is no smaller.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return power * ([1, 2, 5].find((first) => first * power >= least) ?? 10);
}

// Tracks from above: the kernel, then services by priority; those that did nothing are left out.
function tracks(trace) {
  const used = new Set([...trace.slices, ...trace.instants, ...trace.lines].map((one) => one[0]));
  const priority = (task) => (task ? trace.priorities[task] ?? 99 : -1);
  return [...used].sort((a, b) => priority(a) - priority(b) || a - b);
}

export function show(trace) {
  shown = trace;
  closeness = 1;
  redraw();
}

export function zoom(factor) {
  closeness = Math.min(Math.max(closeness * factor, 1), CLOSEST);
  redraw();
}

function redraw() {
  const trace = shown;
  const times = [...trace.slices, ...trace.waits].flatMap((one) => [one[2], one[3]]);
  times.push(...trace.instants.map((one) => one[2]));
  if (!times.length) throw new Error("the board has recorded nothing");
  const first = times.reduce((a, b) => Math.min(a, b));
  const last = times.reduce((a, b) => Math.max(a, b));
  const box = byId("trace");
  const middle = (box.scrollLeft + box.clientWidth / 2) / Math.max(box.scrollWidth, 1);
  const width = Math.max(box.parentElement.clientWidth - 2, SHAPE.least) * closeness;
  const scale = (width - SHAPE.label - 20) / Math.max(last - first, 1);
  const order = tracks(trace);
  const rows = new Map(order.map((task, row) => [task, row]));
  const names = ["kernel", ...trace.names];
  const x = (time) => SHAPE.label + (time - first) * scale;
  const y = (task) => rows.get(task) * SHAPE.row + SHAPE.row / 2;
  const height = order.length * SHAPE.row;
  const plot = draw("svg", { width, height: height + SHAPE.row, role: "img" });
  const step = niceStep((last - first) / (SHAPE.ticks * closeness));
  for (let time = 0; time <= last - first; time += step) {
    const at = x(first + time);
    plot.append(draw("line", { class: "tick", x1: at, x2: at, y1: 0, y2: height }));
    const label = plot.appendChild(draw("text", { class: "time", x: at, y: height + 15 }));
    label.textContent = `${+(time / 1000).toFixed(3)} ms`;
  }
  for (const task of order) {
    const label = plot.appendChild(draw("text", { class: "track", x: 6, y: y(task) + 4 }));
    const priority = trace.priorities[task];
    label.textContent = priority === undefined ? names[task] : `${priority}  ${names[task]}`;
  }
  bars(plot, trace.waits, "wait", { x, y, scale, names, least: 0, height: SHAPE.bar / 2 });
  bars(plot, trace.slices, "slice", { x, y, scale, names, least: 0.8, height: SHAPE.bar });
  for (const [from, start, to, end] of trace.arrows) {
    plot.append(draw("line", { class: "arrow", x1: x(start), y1: y(from), x2: x(end), y2: y(to) }));
  }
  marks(plot, trace.lines, "line", { x, y, names });
  marks(plot, trace.instants, "instant", { x, y, names });
  box.replaceChildren(plot);
  box.scrollLeft = middle * box.scrollWidth - box.clientWidth / 2;
  byId("closer").disabled = closeness >= CLOSEST;
  byId("farther").disabled = closeness <= 1;
  const lost = trace.lost ? `, ${trace.lost} records lost` : "";
  byId("trace-text").textContent =
    `${((last - first) / 1000).toFixed(0)} ms, ${trace.slices.length} slices, ` +
    `${trace.arrows.length} calls answered${lost}`;
}

function bars(plot, found, kind, { x, y, scale, names, least, height }) {
  for (const [task, name, start, end] of found) {
    const bar = draw("rect", {
      class: kind,
      x: x(start).toFixed(2),
      y: y(task) - height / 2,
      width: Math.max((end - start) * scale, least).toFixed(2),
      height,
    });
    bar.append(draw("title", {}));
    bar.firstChild.textContent = `${names[task]}: ${name}, ${end - start} us`;
    plot.append(bar);
  }
}

function marks(plot, found, kind, { x, y, names }) {
  for (const [task, name, time] of found) {
    const at = { x1: x(time), x2: x(time), y1: y(task) - 9, y2: y(task) + 9 };
    const mark = draw("line", { class: kind, ...at });
    mark.append(draw("title", {}));
    mark.firstChild.textContent = `${names[task]}: ${name}`;
    plot.append(mark);
  }
}
