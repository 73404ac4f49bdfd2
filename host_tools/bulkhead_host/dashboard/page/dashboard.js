// The dashboard's page: shows what the server's events say, and asks for what buttons mean.
"use strict";

import { byId, draw, make, plot } from "./draw.js";
import { show as showTrace, zoom } from "./trace.js";

const HISTORY = 300; // tables, a second each
const LINES_KEPT = 1000;
const STOPPED = ["faulted", "dormant", "held", "degraded", "ended"];
const DOWN = ["faulted", "dormant", "degraded", "ended"];
const LEVELS = "DIWE";
const LINE = /^\s*\d+\.\d{3} ([DIWE*]) (\w+): /;
const COLUMNS = [
  ["name", ""], ["priority", "number"], ["", "state"], ["CPU %", "number"], ["", "wide"],
  ["queue", "number wide"], ["", "wide"], ["generation", "number"], ["restarts", "number"],
  ["", "fault"], ["bytes", "number wide"], ["waits for", ""],
];

let history = [];
let lines = []; // {text, level, service}
let table = null;
let opened = "";

// The board

function showBoard(board) {
  byId("application").textContent = board.application || "Bulkhead";
  byId("board").textContent = `${board.board}  Bulkhead ${board.version}`;
  document.title = `${board.application}: Bulkhead`;
  history = [];
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

function showFacts(facts) {
  show("heap", facts.heap_free, facts.heap);
  byId("flash").hidden = facts.files === null;
  show("files", facts.files_free, facts.files);
  byId("last-run").textContent = facts.last_run ? `reset: ${facts.last_run}` : "";
  byId("warmth").hidden = facts.celsius === null;
  if (facts.celsius !== null) byId("celsius").textContent = `${facts.celsius.toFixed(1)} °C`;
}

function show(id, free, all) {
  if (free !== null) byId(id).textContent = `${(free / 1024).toFixed(0)} of ${kilobytes(all)}`;
}

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(0)} KB`;
const sum = (values) => values.reduce((a, b) => a + (b ?? 0), 0);

function showPoint(point) {
  history.push(point);
  history = history.slice(-HISTORY);
  showHistory();
}

function showHistory() {
  const cpu = history.map((one) => {
    const shares = Object.values(one.cpu);
    return shares.every((share) => share === null) ? null : sum(shares);
  });
  const queue = history.map((one) => sum(Object.values(one.queue)));
  const heap = history.map((one) => one.heap_free);
  const known = heap.filter((one) => one !== null);
  plot(byId("cpu-plot"), cpu, { kept: HISTORY, most: 100 });
  plot(byId("queue-plot"), queue, { kept: HISTORY, most: Math.max(4, ...queue) });
  plot(byId("heap-plot"), heap, { kept: HISTORY, most: 1.1 * Math.max(1, ...known) });
  const share = cpu.at(-1);
  if (share !== null && share !== undefined) byId("cpu").textContent = `${share.toFixed(1)} %`;
  if (queue.length) byId("queue").textContent = queue.at(-1);
  for (const row of byId("services").children) sparks(row);
}

function sparks(row) {
  const name = row.dataset.name;
  const of = (key) => history.map((one) => one[key][name] ?? null);
  const cpu = of("cpu"); // by its own most: beside 100 % most services are a flat line
  plot(row.cells[4].firstChild, cpu, { kept: HISTORY, most: Math.max(5, ...cpu) });
  const queue = of("queue");
  plot(row.cells[6].firstChild, queue, { kept: HISTORY, most: Math.max(4, ...queue) });
}

// The services

function showTable(found) {
  table = found;
  const rows = byId("services");
  const names = found.services.map((service) => service.name);
  for (const service of found.services) {
    const row = rows.querySelector(`tr[data-name="${CSS.escape(service.name)}"]`);
    fill(row ?? rows.appendChild(newRow(service.name)), service);
  }
  for (const row of [...rows.children]) {
    if (!names.includes(row.dataset.name)) row.remove();
  }
  choices(names);
  showHealth(found);
  showWaits(found.services);
  showOutputs(found);
  if (opened) showService(false);
}

function newRow(name) {
  const row = make("tr");
  row.dataset.name = name;
  row.tabIndex = 0;
  for (const [label, kind] of COLUMNS) {
    const cell = row.appendChild(make("td", undefined, kind));
    if (label) cell.dataset.label = label;
  }
  for (const column of [4, 6]) row.cells[column].append(draw("svg", { class: "spark" }));
  row.addEventListener("click", () => open(name));
  row.addEventListener("keydown", (event) => { if (event.key === "Enter") open(name); });
  return row;
}

function fill(row, service) {
  const percent = service.cpu_percent;
  const raised = service.effective_priority !== service.priority;
  const texts = [
    service.name,
    raised ? `${service.priority} (${service.effective_priority})` : service.priority,
    service.safe_since_ms === null ? service.state : `${service.state}, outputs safe`,
    percent === null ? "" : percent.toFixed(1),
    null,
    service.queue + service.clients,
    null,
    service.generation,
    service.restarts,
    service.fault ?? "",
    service.memory_bytes,
    service.waits_for ?? "",
  ];
  texts.forEach((text, column) => {
    if (text !== null) row.cells[column].textContent = text;
  });
  row.cells[2].classList.toggle("stopped", STOPPED.includes(service.state));
}

function showHealth(found) {
  byId("uptime").textContent = duration(found.uptime_ms);
  const services = found.services.filter((one) => one.state !== "ended" || one.fault !== "RETURNED");
  const count = (states) => services.filter((one) => states.includes(one.state)).length;
  const [down, held] = [count(DOWN), count(["held"])];
  const words = [`${services.length - down - held} run`];
  if (down) words.push(`${down} down`);
  if (held) words.push(`${held} held`);
  byId("health").textContent = words.join(", ");
  byId("health").classList.toggle("stopped", down > 0);
  const lost = Object.entries(found.losses).filter(([, value]) => value);
  byId("losses").textContent = lost.length
    ? `line: ${lost.map(([name, value]) => `${value} ${name.replace("_", " ")}`).join(", ")}`
    : "line: nothing lost";
}

// Each chain of waits, from who waits first to who keeps all of them waiting.
function showWaits(services) {
  const waits = new Map(services.filter((one) => one.waits_for)
    .map((one) => [one.name, one.waits_for]));
  const peers = new Set(waits.values());
  const heads = [...waits.keys()].filter((name) => !peers.has(name));
  const chains = (heads.length ? heads : [...waits.keys()].slice(0, 1)).map((name) => {
    const chain = [name];
    while (waits.has(chain.at(-1)) && !chain.slice(0, -1).includes(chain.at(-1))) {
      chain.push(waits.get(chain.at(-1)));
    }
    return chain.join(" → ");
  });
  list("waits", chains, "nobody");
}

function showOutputs(found) {
  const safe = found.services.filter((one) => one.safe_since_ms !== null);
  list("outputs", safe.map((one) => `${one.name}: ${one.state}, ${safeText(one, found)}`),
    "none: each is its service's own");
}

// The time that the board's log has, and how long that is ago.
function safeText(service, found) {
  const passed = duration(Math.max(found.uptime_ms - service.safe_since_ms, 0));
  return `safe since ${(service.safe_since_ms / 1000).toFixed(3)} s, for ${passed}`;
}

function list(id, texts, nothing) {
  const items = texts.map((text) => make("li", text));
  byId(id).replaceChildren(...(items.length ? items : [make("li", nothing, "faint")]));
}

// One service

async function open(name) {
  opened = name;
  byId("service-fault").textContent = "";
  showService(true);
  byId("service").showModal();
  try {
    const found = await answerOf(await fetch(`fault?service=${encodeURIComponent(name)}`));
    byId("service-fault").textContent = found.text || "no fault of it is kept";
  } catch (error) {
    byId("service-fault").textContent = error.message;
  }
}

function showService() {
  const service = table.services.find((one) => one.name === opened);
  byId("service-name").textContent = opened;
  if (!service) return;
  const waits = service.waits_for ? `, waits for ${service.waits_for}` : "";
  const safe = service.safe_since_ms === null ? "" : `, outputs ${safeText(service, table)}`;
  byId("service-text").textContent =
    `${service.state}${waits}${safe}. Priority ${service.priority}, generation ${service.generation}, ` +
    `${service.restarts} restarts, ${service.steps} steps, ${service.clients} clients, ` +
    `${service.queue} queued, ${service.dropped} dropped.`;
}

async function answerOf(response) {
  const found = await response.json();
  if (response.ok) return found;
  throw new Error([found.error, found.next_step].filter(Boolean).join("; try: "));
}

// Ask before anything is done to a board.
function isSure(text) {
  const dialog = byId("sure");
  byId("sure-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function act(service, word) {
  const words = ["restart", "hold", "release"].includes(word)
    ? `${word} ${service}?`
    : `make ${service} fail: ${word}? The board may lose work.`;
  if (!(await isSure(words))) return;
  byId("service").close();
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

// The log

function choices(names) {
  const select = byId("log-service");
  if (select.options.length === names.length + 1) return;
  const chosen = select.value;
  select.replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

function showLines(texts) {
  if (!texts.length) return;
  for (const text of texts) {
    const found = LINE.exec(text);
    const before = lines.at(-1) ?? { level: "I", service: "" };
    const [level, service] = found ? [found[1], found[2]] : [before.level, before.service];
    lines.push({ text, level, service });
  }
  lines = lines.slice(-LINES_KEPT);
  showLog();
}

function isWanted(line) {
  const [service, words] = [byId("log-service").value, byId("log-words").value.toLowerCase()];
  const isAbout = !service || line.service === service ||
    (line.service === "supervisor" && line.text.includes(`supervisor: ${service} `));
  const least = LEVELS.indexOf(byId("log-level").value);
  const isImportant = line.level === "*" || LEVELS.indexOf(line.level) >= least;
  return isAbout && isImportant && line.text.toLowerCase().includes(words);
}

function showLog() {
  const log = byId("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
  const wanted = lines.filter(isWanted);
  log.replaceChildren(...wanted.map((line) => make("span", `${line.text}\n`, line.level)));
  byId("log-count").textContent = `${wanted.length} of ${lines.length} lines`;
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

// The trace

async function record() {
  const text = byId("trace-text");
  byId("record").disabled = true;
  text.textContent = "recording";
  text.className = "faint";
  try {
    showTrace(await answerOf(await fetch(`trace?seconds=${byId("seconds").value}`)));
  } catch (error) {
    text.textContent = error.message;
    text.className = "wrong";
  }
  byId("record").disabled = false;
}

const events = new EventSource("events");
const on = (name, show) => events.addEventListener(name, (event) => show(JSON.parse(event.data)));
on("kinds", (kinds) => byId("kind").replaceChildren(...kinds.map((kind) => new Option(kind, kind))));
on("board", showBoard);
on("table", showTable);
on("facts", showFacts);
on("history", (found) => { history = found; showHistory(); });
on("point", showPoint);
on("lines", showLines);
on("notice", (text) => { byId("notice").textContent = text; });
events.addEventListener("error", () => {
  byId("notice").textContent = "the dashboard has ended: start it again";
});
events.addEventListener("open", () => { lines = []; byId("notice").textContent = ""; });
for (const id of ["log-service", "log-level"]) byId(id).addEventListener("change", showLog);
byId("log-words").addEventListener("input", showLog);
byId("record").addEventListener("click", record);
byId("closer").addEventListener("click", () => zoom(2));
byId("farther").addEventListener("click", () => zoom(0.5));
byId("inject").addEventListener("click", () => act(opened, byId("kind").value));
for (const button of document.querySelectorAll("[data-do]")) {
  button.addEventListener("click", () => act(opened, button.dataset.do));
}
byId("service").addEventListener("close", () => { opened = ""; });
