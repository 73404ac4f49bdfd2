// The dashboard's page: shows what the server's events say, and asks for what buttons mean.
"use strict";

const HISTORY = 60; // tables in a load plot
const LINES_KEPT = 500;
const LOAD = { width: 120, height: 22 };
const TRACE = { label: 110, width: 1100, row: 22, bar: 14, ticks: 10 };
const STOPPED = ["faulted", "dormant", "held", "degraded"];
const SVG = "http://www.w3.org/2000/svg";

const loads = new Map(); // service name -> its last CPU shares
let kinds = [];

const byId = (id) => document.getElementById(id);

function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function draw(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function showBoard(board) {
  byId("board").textContent =
    `${board.board}  ${board.application}  Bulkhead ${board.version}`;
  document.title = `${board.application}: Bulkhead`;
  loads.clear();
}

function showTable(table) {
  const rows = byId("services");
  for (const service of table.services) {
    const load = loads.get(service.name) ?? [];
    if (service.cpu_percent !== null) load.push(service.cpu_percent);
    loads.set(service.name, load.slice(-HISTORY));
    const row = rows.querySelector(`tr[data-name="${CSS.escape(service.name)}"]`);
    fill(row ?? rows.appendChild(newRow(service.name)), service);
  }
  const names = table.services.map((service) => service.name);
  for (const row of [...rows.children]) {
    if (!names.includes(row.dataset.name)) row.remove();
  }
}

function newRow(name) {
  const row = make("tr");
  row.dataset.name = name;
  for (let column = 0; column < 11; column += 1) row.append(make("td"));
  for (const column of [1, 3, 4, 6, 8, 9]) row.cells[column].className = "number";
  const doing = row.appendChild(make("td"));
  const choice = make("select");
  choice.setAttribute("aria-label", `what to do to ${name}`);
  for (const kind of [...kinds, "restart", "hold", "release"]) choice.append(make("option", kind));
  const button = make("button", "do");
  button.type = "button";
  button.addEventListener("click", () => act(name, choice.value));
  doing.append(choice, " ", button);
  return row;
}

function stateText(service) {
  const since = service.safe_since_ms;
  return since === null ? service.state : `${service.state}, outputs safe since ${(since / 1000).toFixed(3)} s`;
}

function fill(row, service) {
  const percent = service.cpu_percent;
  const texts = [
    service.name,
    service.priority,
    stateText(service),
    service.generation,
    service.restarts,
    service.fault ?? "",
    percent === null ? "" : percent.toFixed(1),
    null,
    service.memory_bytes,
    service.queue,
    service.waits_for ?? "",
  ];
  texts.forEach((text, column) => {
    if (text !== null) row.cells[column].textContent = text;
  });
  row.cells[2].classList.toggle("stopped", STOPPED.includes(service.state));
  row.cells[5].className = "fault";
  row.cells[7].replaceChildren(loadPlot(loads.get(service.name)));
}

function loadPlot(load) {
  const plot = draw("svg", { class: "load", viewBox: `0 0 ${LOAD.width} ${LOAD.height}` });
  const step = LOAD.width / (HISTORY - 1);
  const first = HISTORY - load.length;
  const points = load.map((percent, at) => {
    const height = (Math.min(percent, 100) / 100) * (LOAD.height - 2);
    return `${((first + at) * step).toFixed(1)},${(LOAD.height - 1 - height).toFixed(1)}`;
  });
  plot.append(draw("polyline", { points: points.join(" ") }));
  return plot;
}

function showLines(lines) {
  const log = byId("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 20;
  for (const line of lines) log.append(`${line}\n`);
  while (log.childNodes.length > LINES_KEPT) log.firstChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

async function answerOf(response) {
  const found = await response.json();
  if (response.ok) return found;
  throw new Error([found.error, found.next_step].filter(Boolean).join("; try: "));
}

async function act(service, word) {
  const answer = byId("answer");
  answer.textContent = `${word}: ${service} ...`;
  answer.className = "";
  try {
    const response = await fetch("act", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ service, do: word }),
    });
    answer.textContent = (await answerOf(response)).done;
  } catch (error) {
    answer.textContent = error.message;
    answer.className = "wrong";
  }
}

async function record() {
  const text = byId("trace-text");
  byId("record").disabled = true;
  text.textContent = "recording";
  text.className = "";
  try {
    showTrace(await answerOf(await fetch("trace?seconds=1")));
  } catch (error) {
    text.textContent = error.message;
    text.className = "wrong";
  }
  byId("record").disabled = false;
}

// The next of 1, 2, 5, 10, 20 ... that is no smaller.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return power * ([1, 2, 5].find((first) => first * power >= least) ?? 10);
}

// A track for each service, the kernel's first; arrows lead from calls to replies.
function showTrace(trace) {
  const names = ["kernel", ...trace.names];
  const times = [...trace.slices.flatMap((slice) => [slice[2], slice[3]]),
    ...trace.instants.map((instant) => instant[2])];
  if (!times.length) throw new Error("the board has recorded nothing");
  const first = times.reduce((a, b) => Math.min(a, b));
  const last = times.reduce((a, b) => Math.max(a, b));
  const scale = (TRACE.width - TRACE.label) / Math.max(last - first, 1);
  const x = (time) => TRACE.label + (time - first) * scale;
  const y = (task) => task * TRACE.row + TRACE.row / 2;
  const height = names.length * TRACE.row;
  const plot = draw("svg", { width: TRACE.width, height: height + TRACE.row, role: "img" });
  const step = niceStep((last - first) / TRACE.ticks);
  for (let time = 0; time <= last - first; time += step) {
    const at = x(first + time);
    plot.append(draw("line", { class: "tick", x1: at, x2: at, y1: 0, y2: height }));
    const label = plot.appendChild(draw("text", { class: "time", x: at, y: height + 15 }));
    label.textContent = `${+(time / 1000).toFixed(3)} ms`;
  }
  names.forEach((name, task) => {
    const label = plot.appendChild(draw("text", { class: "track", x: 0, y: y(task) + 4 }));
    label.textContent = name;
  });
  for (const [task, name, start, end] of trace.slices) {
    const bar = draw("rect", {
      class: "slice",
      x: x(start).toFixed(2),
      y: y(task) - TRACE.bar / 2,
      width: Math.max((end - start) * scale, 0.6).toFixed(2),
      height: TRACE.bar,
    });
    bar.append(draw("title", {}));
    bar.firstChild.textContent = `${names[task]}: ${name}, ${end - start} us`;
    plot.append(bar);
  }
  for (const [from, start, to, end] of trace.arrows) {
    plot.append(draw("line", { class: "arrow", x1: x(start), y1: y(from), x2: x(end), y2: y(to) }));
  }
  for (const [task, name, time] of trace.instants) {
    const mark = draw("line", {
      class: "instant", x1: x(time), x2: x(time), y1: y(task) - 9, y2: y(task) + 9,
    });
    mark.append(draw("title", {}));
    mark.firstChild.textContent = `${names[task]}: ${name}`;
    plot.append(mark);
  }
  byId("trace").replaceChildren(plot);
  byId("trace-text").textContent =
    `${((last - first) / 1000).toFixed(0)} ms, ${trace.slices.length} slices, ` +
    `${trace.arrows.length} calls answered`;
}

const events = new EventSource("events");
const on = (name, show) => events.addEventListener(name, (event) => show(JSON.parse(event.data)));
on("kinds", (found) => { kinds = found; });
on("board", showBoard);
on("table", showTable);
on("lines", showLines);
on("notice", (text) => { byId("notice").textContent = text; });
events.addEventListener("error", () => {
  byId("notice").textContent = "the dashboard has ended: start it again";
});
byId("record").addEventListener("click", record);
