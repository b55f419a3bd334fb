"use strict";
// Shows what the server says, plots it, and presses STOP. What is shown was said within the last LATE_MS, or is gone.

const LATE_MS = 1500;
const AGAIN_MS = 3000; // a connection that says nothing for so long is made anew
const REFUSED_MS = 1000; // until one that was sent away tries again
const ANSWER_MS = 3000; // the guard answers within one second, or not at all
const CLICK_MS = 1000; // the end of a press that was heard already
const DRIFT = 2e-4; // of two clocks, far more than they have
const SPAN_S = 20;
const UNHEARD = "this page hears nothing from nmesd monitor (is it open in more than four windows?); STOP may still work";
const NOTHING = "\u2013";
const $ = (id) => document.getElementById(id);

let stream, openedMs = 0, heardMs = -Infinity, least = null;

// ---- the connection ----------------------------------------------------------------------------------------

function connect() {
  if (document.hidden) return;
  stream?.close();
  openedMs = performance.now();
  least = null;
  stream = new EventSource("/events");
  stream.onmessage = (event) => hear(JSON.parse(event.data));
}

// A state that lay in a buffer on its way here is as old as its clock says: against the quickest one so far.
function delayed(atMs) {
  const now = performance.now(), offset = now - atMs;
  if (least !== null) least.offset += (now - least.at) * DRIFT;
  least = { at: now, offset: least === null ? offset : Math.min(least.offset, offset) };
  return offset - least.offset > LATE_MS;
}

function hear(said) {
  if (delayed(said.at_ms)) return;
  heardMs = performance.now();
  if (said.connected) show(said); else lose(said.text, said.trip);
}

// A browser has few connections to one server: a page that nobody sees leaves its own to the others.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stream?.close(); else connect();
});

setInterval(() => {
  const now = performance.now();
  if (now - heardMs > LATE_MS) lose(UNHEARD, null);
  const refused = stream?.readyState === EventSource.CLOSED && now - openedMs > REFUSED_MS;
  if (!stream || refused || now - Math.max(heardMs, openedMs) > AGAIN_MS) connect();
}, 250);

// ---- what is shown -----------------------------------------------------------------------------------------

function say(id, text) {
  const node = $(id);
  if (node.textContent !== text) node.textContent = text;
}

function list(id, lines) {
  if ($(id).dataset.lines === lines.join("\n")) return;
  $(id).dataset.lines = lines.join("\n");
  $(id).replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
}

function state(word, text, banner) {
  document.body.dataset.state = word;
  document.title = `${word} - nmesd`;
  say("word", word);
  say("text", text);
  say("banner", banner);
  $("banner").hidden = !banner;
}

function show(said) {
  state(said.state, said.text, said.banner);
  // What the guard answered holds until somebody resets it.
  if (said.state !== "TRIPPED" && performance.now() - answeredMs > LATE_MS) $("answer").hidden = true;
  for (const node of document.querySelectorAll("[data-show]")) {
    const text = said.shown[node.dataset.show];
    if (node.textContent !== text) node.textContent = text;
  }
  say("quality", said.quality);
  list("signal", said.signal);
  list("inhibits", said.inhibits);
  $("inhibited").hidden = said.inhibits.length === 0;
  say("trip", said.trip || "none since this monitor began");
  $("emg").hidden = !said.plot;
  draw(said.at_ms / 1000, said.plot);
}

function lose(text, trip) {
  state("NOT CONNECTED", text, "");
  for (const node of document.querySelectorAll("[data-show]")) node.textContent = NOTHING;
  say("quality", NOTHING);
  list("signal", []);
  $("inhibited").hidden = true;
  say("trip", trip || NOTHING);
  if (data[0].length) draw(data[0].at(-1), null); // a gap, not a line across it
}

// ---- the plot ----------------------------------------------------------------------------------------------

const data = [[], [], [], [], []];
const axis = { stroke: "#c9d3e0", grid: { stroke: "#33415a" }, ticks: { stroke: "#33415a" }, font: "16px system-ui" };
const last = () => data[0].at(-1) ?? 0;
const plot = new uPlot({
  width: 300, height: 250, legend: { show: false }, cursor: { show: false },
  scales: {
    x: { time: false, range: () => [last() - SPAN_S, last()] },
    y: { range: (_, __, most) => [0, 1.15 * (most || 1)] },
  },
  series: [
    {},
    { label: "envelope", stroke: "#6fd3ff", width: 3, points: { show: false } },
    { label: "attempt over", stroke: "#ffd500", width: 3, dash: [12, 6], points: { show: false } },
    { label: "relaxed below", stroke: "#c9d3e0", width: 2, dash: [3, 5], points: { show: false } },
    { label: "train", fill: "#ffb30099", width: 0, points: { show: false } },
  ],
  axes: [
    { ...axis, values: (_, ticks) => ticks.map((tick) => `${Math.round(tick - last())} s`) },
    { ...axis, size: 80, values: (_, ticks) => ticks.map((tick) => `${tick} µV`) },
  ],
}, data, $("plot"));
new ResizeObserver(() => plot.setSize({ width: $("plot").clientWidth, height: $("plot").clientHeight })).observe($("plot"));

function draw(atS, values) {
  if (atS < last()) data.forEach((row) => row.length = 0); // another server's clock
  data[0].push(atS);
  for (let n = 1; n < data.length; n++) data[n].push(values ? values[n - 1] : null);
  while (data[0][0] < atS - SPAN_S) data.forEach((row) => row.shift());
  plot.setData(data);
}

// ---- STOP --------------------------------------------------------------------------------------------------

let presses = 0, pressedMs = -Infinity, answeredMs = 0;

async function stop() {
  const press = ++presses;
  pressedMs = performance.now();
  answer("STOP sent: no answer yet", "no");
  let text = "STOP: NO ANSWER. Pull the electrode plug", zero = false;
  try {
    const sent = await fetch("/stop", { method: "POST", signal: AbortSignal.timeout(ANSWER_MS) });
    ({ text, zero } = await sent.json());
  } catch { /* no answer, or none of ours: the words above stand */ }
  if (press === presses) answer(text, zero ? "yes" : "no");
}

function answer(text, zero) {
  answeredMs = performance.now();
  say("answer", `${new Date().toLocaleTimeString("en-GB")} ${text}`);
  $("answer").dataset.zero = zero;
  $("answer").hidden = false;
}

// On the press, not on letting go; a keyboard, a switch control or a screen reader may click without one.
$("stop").addEventListener("pointerdown", stop);
$("stop").addEventListener("click", () => { if (performance.now() - pressedMs > CLICK_MS) stop(); });
addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.repeat) stop(); });

connect();
