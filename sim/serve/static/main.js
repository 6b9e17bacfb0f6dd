// Listens to the run and keeps the page up to date.

import {chart} from "./charts.js";
import {Faults} from "./faults.js";
import {FleetMap} from "./map.js";
import {Run} from "./model.js";
import {Traffic} from "./traffic.js";
import {brief, bytes, clock, count, element, percent, tell} from "./words.js";

const by = (id) => document.getElementById(id);
const run = new Run(), faults = new Faults(), map = new FleetMap(by("stage"), choose), traffic = new Traffic(by("traffic"), map);
const CHART_MS = 450;
let charted = 0, ticks = 0, lastTick = 0, everyMs = 250;

// The token has done its work; it need not stay in the address, the history and screenshots.
if (location.search.includes("token=")) history.replaceState(null, "", location.pathname);

const source = new EventSource("api/events");
source.addEventListener("hello", (event) => { run.hello(JSON.parse(event.data)); begin(); });
source.addEventListener("tick", (event) => { run.take(JSON.parse(event.data)); show(); });
source.addEventListener("progress", (event) => { const [what, done, total] = JSON.parse(event.data); if (!run.tick || run.tick.status === "preparing") { tell("told", `${what}: ${done} of ${total}`); by("progress").max = total; by("progress").value = done; } });
source.onopen = () => { if (!run.tick) status("preparing", "preparing"); };
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) status("lost", "no access: open the printed address again");
  else if (run.tick && run.over) source.close();
  else status("lost", "connection lost, trying again");
};
by("stop").addEventListener("click", () => { if (confirm("End this run now? What has been done is kept.")) faults.stop(); });
addEventListener("resize", () => { charted = 0; if (run.tick) charts(); });
faults.load();

function begin() {
  document.title = `${run.scenario} · FogFleet`;
  tell("scenario", run.scenario);
  tell("mode", run.mode === "live" ? `live${run.speed === 1 ? "" : ` × ${run.speed}`}` : run.mode);
  if (run.nodes.length) { map.draw(run); faults.begin(run); }
  charted = 0;
  by("recent").tBodies[0].replaceChildren();
  show();
  if (run.nodes.length) requestAnimationFrame(() => performance.mark("fleet-drawn"));
}

function show() {
  const now = performance.now();
  if (lastTick) everyMs = Math.min(1000, 0.7 * everyMs + 0.3 * (now - lastTick));
  lastTick = now; ticks += 1;
  document.body.dataset.ticks = ticks;
  const tick = run.tick;
  status(tick.status.split(":")[0], tick.status);
  heading(tick);
  if (run.nodes.length) { map.update(run); traffic.tick(run, everyMs); }
  faults.update(run);
  told();
  if (now - charted > CHART_MS || run.over) { charted = now; charts(); exits(tick); recent(); }
}

function status(kind, text) {
  by("status").dataset.status = kind;
  tell("status", text);
}

function heading(tick) {
  const running = tick.status !== "preparing";
  if (running) { by("progress").max = Math.max(tick.duration_s, 1e-9); by("progress").value = Math.min(tick.time_s, tick.duration_s); }
  tell("clock", `${clock(tick.time_s)} / ${clock(tick.duration_s)}`);
  by("stop").disabled = !run.live;
  tell("t-accuracy", tick.decided ? percent(tick.right / tick.decided) : "–");
  tell("t-decided", running ? tick.decided === tick.due ? brief(tick.decided) : `${brief(tick.decided)} / ${brief(tick.due)}` : "–");
  tell("t-bytes", bytes(tick.payload_bytes));
  tell("t-rate", run.points.length > 1 ? `${bytes(run.rates().at(-1)[1])}/s` : "–");
  tell("t-lost", brief(Object.values(tick.lost).reduce((sum, n) => sum + n, 0)));
  tell("t-faults", String(run.faults.size));
  by("t-faults").classList.toggle("hot", run.faults.size > 0);
  for (const state of ["active", "degraded", "failed"]) tell(`n-${state}`, String(run.nodes.filter((node) => node.state === state).length));
}

function choose(node) {
  faults.choose(node);
  map.mark(node.name);
  told();
}

function told() {
  const tick = run.tick;
  if (run.over && tick.folder) return tell("told", `The run is over; its folder is ${tick.folder}`);
  const node = run.byName?.get(map.chosen);
  if (!node) { if (tick.status === "running") tell("told", `Click a node to see what it does${run.breakable ? ", and to break it" : ""}.`); return undefined; }
  const did = [node.role, node.state];
  if (node.role === "camera") did.push(`${count(node.captured)} captured`);
  did.push(`${count(node.sent)} sent (${bytes(node.bytesUp)})`, `${count(node.received)} received (${bytes(node.bytesDown)})`);
  if (node.busy > 0.05) did.push(`busy ${node.busy.toFixed(1)} s`);
  if (node.backlog > 0.001) did.push(`${(1000 * node.backlog).toFixed(0)} ms behind`);
  if (node.faults.length) did.push(`faults: ${node.faults.map((fault) => fault.kind).join(", ")}`);
  return tell("told", `${node.name}: ${did.join(" · ")}`);
}

function charts() {
  const until = Math.max(run.tick.duration_s, run.tick.time_s, 1), now = run.tick.time_s;
  const seen = new Set(), bands = [];
  for (const one of run.episodes) {
    const key = `${one.id} ${one.since_s.toFixed(2)}`;
    if (!seen.has(key)) { seen.add(key); bands.push({from: one.since_s, to: one.until_s ?? now, name: one.kind}); }
  }
  const lately = run.lately(), rates = run.rates();
  const low = Math.min(...lately.map(([, v]) => v), 1) < 0.5 ? 0 : 0.5;
  chart(by("c-accuracy"), {until, bands, low, high: 1, shown: (v) => `${Math.round(100 * v)} %`, label: "Accuracy over time", curves: [{points: run.soFar(), look: "faint"}, {points: lately, look: "strong"}]});
  const most = nice(Math.max(...rates.map(([, v]) => v), 1));
  chart(by("c-bytes"), {until, bands, high: most, shown: bytes, label: "Payload bytes a second over time", curves: [{points: rates, look: "strong", filled: true}]});
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value) * power;
}

function exits(tick) {
  by("exits").tBodies[0].replaceChildren(...Object.entries(tick.exits).map(([exit, decided]) => {
    const share = decided / Math.max(1, tick.decided), bar = element("i", {class: `e-${exit}`});
    bar.style.width = `${100 * share}%`;
    return element("tr", {}, element("th", {scope: "row", text: exit}), element("td", {class: "share"}, bar), element("td", {class: "n", text: percent(share)}), element("td", {class: "n", text: `${percent((tick.right_by_exit[exit] ?? 0) / decided)} right`}));
  }));
  const lost = Object.entries(tick.lost).map(([reason, n]) => `${reason.replace("lost:", "")} ${count(n)}`);
  tell("lost", lost.length ? `Lost messages by reason: ${lost.join(", ")}` : "");
}

function recent() {
  const several = new Set(run.recent.map((one) => one.site)).size > 1 || run.nodes.some((node) => node.site === "site-1");
  by("recent").tBodies[0].replaceChildren(...run.recent.map((one) => {
    const right = one.predicted === one.label;
    return element("tr", {class: right ? "right" : "wrong"}, element("td", {text: right ? "✓" : "✗", "aria-label": right ? "right" : "wrong"}), element("td", {text: `${several ? `${one.site} · ` : ""}${one.sample}`}), element("td", {}, element("span", {class: `chip e-${one.exit}`, text: one.exit})), element("td", {text: right ? `${one.predicted}` : `${one.predicted}, is ${one.label}`}), element("td", {class: "n", text: `${(1000 * one.latency).toFixed(0)} ms`}));
  }));
}
