// Faults by click: what, to whom, for how long; and the list of those in force, to be lifted.

import {clock, element, tell} from "./words.js";

const token = document.querySelector("meta[name=fogfleet-token]").content;
const by = (id) => document.getElementById(id);
const HEADER = "X-FogFleet-Token";

export class Faults {
  constructor() {
    this.kinds = new Map(); this.run = null; this.shown = ""; this.node = null; this.said = new Map();
    by("kind").addEventListener("change", () => this.#kind());
    for (const event of ["input", "change"]) by("inject").addEventListener(event, () => this.#yaml());
    by("target").addEventListener("input", () => this.#typed());
    by("inject").addEventListener("submit", (event) => { event.preventDefault(); this.#inject(); });
    by("active").addEventListener("click", (event) => { const id = event.target.closest("button")?.dataset.fault; if (id) this.#lift(event.target, id); });
  }

  /** Fetches the kinds that there are. */
  async load() {
    const answer = await fetch("api/kinds");
    if (!answer.ok) return;
    for (const kind of await answer.json()) this.kinds.set(kind.kind, kind);
    this.#offer();
  }

  /** The run has begun, or its fleet has changed. */
  begin(run) {
    this.run = run;
    const groups = [...new Set(run.nodes.map((node) => node.group))];
    by("targets").replaceChildren(...groups.concat("best-camera", run.nodes.map((node) => node.name)).slice(0, 1200).map((value) => element("option", {value})));
    if (!this.node && !by("target").value) this.choose(run.nodes.find((node) => node.role === "camera") ?? run.nodes[0]);
  }

  /** A person has chosen a node. */
  choose(node) {
    if (!node) return;
    this.node = node;
    by("target").value = node.name;
    this.#offer();
  }

  /** Shows which faults are in force, and whether more can come. */
  update(run) {
    const live = run.live && run.breakable;
    by("go").disabled = !live;
    by("look-only").hidden = run.breakable;
    by("inject").hidden = !run.breakable;
    const rows = [...run.faults.values()];
    const key = rows.map((fault) => `${fault.id} ${fault.targets.length}`).join("\n") + live;
    if (key !== this.shown) { this.shown = key; this.#list(rows, live); this.#say(rows); }
    for (const fault of rows) { const since = by(`since-${fault.id}`); if (since) since.textContent = `for ${clock(run.tick.time_s - fault.since)}`; }
  }

  /** Asks the server to end the run. */
  async stop() { return this.#ask("api/stop", "POST"); }

  #list(rows, live) {
    by("active").replaceChildren(...rows.map((fault) => {
      const whom = fault.targets.length > 2 ? `${fault.targets.length} targets` : fault.targets.join(", ");
      const lift = element("button", {type: "button", "data-fault": fault.id, "aria-label": `Lift ${fault.kind} on ${whom}`, text: "Lift"});
      lift.disabled = !live;
      return element("li", {"data-id": fault.id}, element("div", {}, element("b", {text: fault.kind}), ` on ${whom}`, element("small", {}, element("span", {id: `since-${fault.id}`}), fault.by === "person" ? " · by hand" : " · of the scenario")), lift);
    }));
    if (!rows.length) by("active").append(element("li", {class: "none", text: "none: all is well"}));
  }

  /** Tells those who listen rather than look. */
  #say(rows) {
    const now = new Map(rows.map((fault) => [fault.id, `${fault.kind} on ${fault.targets.slice(0, 2).join(", ")}`]));
    const began = [...now].filter(([id]) => !this.said.has(id)), ended = [...this.said].filter(([id]) => !now.has(id));
    tell("news", began.map(([, text]) => `${text} begins.`).concat(ended.map(([, text]) => `${text} is over.`)).join(" "));
    this.said = now;
  }

  #typed() {
    this.node = this.run?.byName.get(by("target").value) ?? null;
    this.#offer();
  }

  #offer() {
    const before = by("kind").value || "crash", layers = new Map();
    for (const kind of this.kinds.values()) {
      if (this.node && kind.on !== "broker" && !kind.roles.includes(this.node.role)) continue;
      if (!layers.has(kind.layer)) layers.set(kind.layer, []);
      layers.get(kind.layer).push(element("option", {text: kind.kind}));
    }
    const order = ["device", "sensor", "link", "message", "model", "gateway", "broker", "security"];
    const sorted = [...layers].sort(([a], [b]) => (order.indexOf(a) + 99) % 99 - (order.indexOf(b) + 99) % 99);
    by("kind").replaceChildren(...sorted.map(([layer, options]) => element("optgroup", {label: layer}, ...options)));
    by("kind").value = before;
    if (by("kind").selectedIndex < 0) by("kind").selectedIndex = 0;
    this.#kind();
  }

  #kind() {
    const kind = this.kinds.get(by("kind").value);
    if (!kind) return;
    tell("does", kind.does);
    if (this.filled !== kind.kind) {
      this.filled = kind.kind;
      by("values").replaceChildren(...Object.entries(kind.values).map(([field, value]) => element("label", {title: kind.fields[field] ?? ""}, element("span", {text: field}), element("input", {name: field, value, spellcheck: "false"}))));
    }
    this.#yaml();
  }

  /** A link fault on a node means the link above it; a broker fault has one target. */
  #target() {
    const kind = this.kinds.get(by("kind").value), written = by("target").value.trim();
    if (kind?.on === "broker") return "broker";
    if (kind?.on === "link" && this.node && this.node.up >= 0 && !written.includes("->")) return `${written}->${this.run.nodes[this.node.up].node}`;
    return written;
  }

  #entry() {
    const quoted = (text) => (/^[\w./*?-][\w ./%*?>-]*$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`);
    const parts = [["kind", by("kind").value], ["target", quoted(this.#target())]];
    for (const input of by("values").querySelectorAll("input")) if (input.value.trim()) parts.push([input.name, input.value.trim()]);
    if (by("lasting").value) parts.push(["for", by("lasting").value]);
    return `{${parts.map(([key, value]) => `${key}: ${value}`).join(", ")}}`;
  }

  #yaml() { if (by("kind").value) tell("yaml", this.#entry()); }

  async #inject() {
    by("go").setAttribute("aria-busy", "true");
    await this.#ask("api/faults", "POST", this.#entry());
    by("go").removeAttribute("aria-busy");
  }

  async #lift(button, id) {
    button.disabled = true;
    if (!(await this.#ask(`api/faults/${encodeURIComponent(id)}`, "DELETE"))) button.disabled = false;
  }

  /** Whether the server agreed; what it says otherwise is shown. */
  async #ask(path, method, body) {
    by("refused").replaceChildren();
    try {
      const answer = await fetch(path, {method, body, headers: {[HEADER]: token, "Content-Type": "application/yaml"}});
      if (answer.ok) return true;
      const {error} = await answer.json();
      const rows = error.problems.length ? error.problems.map(({place, message}) => (place ? `${place}: ${message}` : message)) : [error.message];
      by("refused").append(...rows.map((text) => element("p", {text})), element("p", {class: "note", text: error.remedy}));
    } catch {
      by("refused").append(element("p", {text: "The server does not answer; is the command still running?"}));
    }
    return false;
  }
}
