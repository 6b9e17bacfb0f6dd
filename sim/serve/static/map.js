// The fleet as a picture: nodes to choose, links as wide as their traffic.

import {course, layout} from "./layout.js";
import {drawn} from "./words.js";

const GLYPHS = {
  camera: "M-8-4h3l1.5-2h5L3-4h3v9H-8zM-1-2.2a2.6 2.6 0 1 0 .01 0zM6-1l4-2v7L6 2z",
  gateway: "M-9 1H9v7H-9zM-6 4h2M-2 4h2M4 1V-5M1-7a4.5 4.5 0 0 1 6 0M-1.5-9.500a8 8 0 0 1 11 0",
  cloud: "M-8 7A5 5 0 0 1-8.500-3 7 7 0 0 1 5-5 6 6 0 0 1 7 7z",
};

const SEVERED = new Set(["cut", "partition"]);

export class FleetMap {
  /** `choose` is called with the node that a person picks. */
  constructor(stage, choose) {
    this.stage = stage; this.svg = stage.querySelector("svg"); this.choose = choose;
    this.marks = []; this.edges = []; this.chosen = null;
    new ResizeObserver(() => { if (this.run && stage.clientWidth !== this.width) this.draw(this.run); }).observe(stage);
    this.svg.addEventListener("click", (event) => this.#pick(event));
    this.svg.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Draws everything anew. */
  draw(run) {
    this.run = run; this.width = this.stage.clientWidth;
    const {height, few, places} = layout(run.nodes, this.width);
    this.few = few; this.places = places; this.height = height;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.svg.setAttribute("class", few ? "few" : "many");
    this.stage.style.height = `${height}px`;
    this.#edges(run);
    this.marks = run.nodes.map((node) => this.#mark(node));
    const order = run.nodes.map((_, i) => i).sort((a, b) => run.nodes[b].up < 0 ? -1 : run.nodes[a].up < 0 ? 1 : 0);
    this.svg.replaceChildren(drawn("g", {class: "links"}, ...this.edges.map((edge) => edge.line)), drawn("g", {class: "nodes"}, ...order.map((i) => this.marks[i].mark)));
    this.tabStop = 0;
    this.update(run);
  }

  /** Shows states and traffic of now. */
  update(run) {
    run.nodes.forEach((node, i) => {
      const was = this.marks[i], look = `node s-${node.state}${this.chosen === node.name ? " chosen" : ""}`;
      if (was.look === look) return;
      was.look = look;
      was.mark.setAttribute("class", look);
      was.mark.setAttribute("aria-label", `${node.name}, ${node.role}, ${node.state}`);
      was.mark.setAttribute("aria-pressed", this.chosen === node.name);
    });
    const broken = new Map();
    for (const fault of run.faults.values())
      for (const target of fault.targets) if (target.includes("->") && broken.get(target) !== "cut") broken.set(target, SEVERED.has(fault.kind) ? "cut" : "hurt");
    for (const edge of this.edges) this.#traffic(run, edge, broken);
  }

  /** Marks the node that a person has chosen. */
  mark(name) { this.chosen = name; this.update(this.run); }

  #edges(run) {
    const found = new Map();
    const edge = (src, dst) => {
      const key = src < dst ? `${src} ${dst}` : `${dst} ${src}`;
      if (!found.has(key)) {
        const [low, high] = run.nodes[src].up === dst ? [src, dst] : run.nodes[dst].up === src ? [dst, src] : [src, dst];
        const path = course(this.places[low], this.places[high], this.few);
        const d = path.length === 4 ? `M${path[0]} ${path[1]}L${path[2]} ${path[3]}` : `M${path[0]} ${path[1]}C${path.slice(2).join(" ")}`;
        found.set(key, {low, high, path, flows: [], line: drawn("path", {d, class: "link"}), look: "link", names: [`${run.nodes[low].name}->${run.nodes[high].node}`, `${run.nodes[high].name}->${run.nodes[low].node}`]});
      }
      return found.get(key);
    };
    run.nodes.forEach((node) => { if (node.up >= 0) edge(node.index, node.up); });
    for (const flow of run.flows) { flow.edge = edge(flow.src, flow.dst); flow.edge.flows.push(flow); }
    this.edges = [...found.values()];
  }

  #traffic(run, edge, broken) {
    let rate = 0, waiting = 0;
    for (const flow of edge.flows) { rate += flow.rate; waiting += flow.waiting; }
    const width = Math.round(2 * Math.min(this.few ? 8 : 3, (this.few ? 1.5 : 0.5) + (this.few ? 1.4 : 0.5) * Math.log10(1 + rate))) / 2;
    const harm = edge.names.map((name) => broken.get(name)).sort()[0], down = run.nodes[edge.low].state === "failed" || run.nodes[edge.high].state === "failed";
    const look = `link${harm ? ` ${harm}` : down ? " down" : waiting > 2 ? " full" : ""}`;
    edge.severed = harm === "cut";
    if (edge.look !== look) { edge.look = look; edge.line.setAttribute("class", look); }
    if (edge.width !== width) { edge.width = width; edge.line.style.strokeWidth = width; }
  }

  #mark(node) {
    const {x, y, r} = this.places[node.index];
    const mark = drawn("g", {transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, role: "button", tabindex: node.index === 0 ? 0 : -1, "data-node": node.index});
    if (!this.few && node.role !== "cloud") {
      mark.append(drawn("circle", {r: r.toFixed(1)}));
      return {mark, look: ""};
    }
    const scale = r / 15;
    mark.append(drawn("circle", {class: "reach", r: Math.max(r + 4, 22)}), drawn("circle", {r}), drawn("path", {class: "glyph", d: GLYPHS[node.role] ?? GLYPHS.camera, transform: `scale(${scale * 0.72})`}));
    mark.append(drawn("g", {class: "badge", transform: `translate(${r * 0.78} ${-r * 0.78})`}, drawn("circle", {r: 7}), drawn("path", {class: "cross", d: "M-3-3 3 3M3-3-3 3"}), drawn("path", {class: "bang", d: "M0-4V1M0 3.200V4"})));
    if (this.few) mark.append(drawn("text", {y: r + 15, text: this.#label(node)}));
    return {mark, look: ""};
  }

  #label(node) {
    const several = new Set(this.run.nodes.map((one) => one.site)).size > 2;
    return several && node.site !== node.node ? `${node.site.replace("site-", "")}/${node.node}` : node.node;
  }

  #pick(event) {
    const mark = event.target.closest("[data-node]");
    const index = mark ? Number(mark.dataset.node) : this.#nearest(event);
    if (index !== null) this.#choose(index);
  }

  #nearest(event) {
    const box = this.svg.getBoundingClientRect(), [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = null, least = 24;
    this.places.forEach((place, i) => { const far = Math.hypot(place.x - x, place.y - y); if (far < least) { least = far; best = i; } });
    return best;
  }

  #choose(index) {
    this.#stop(index);
    this.choose(this.run.nodes[index]);
  }

  #stop(index) {
    this.marks[this.tabStop]?.mark.setAttribute("tabindex", -1);
    this.tabStop = index;
    this.marks[index].mark.setAttribute("tabindex", 0);
  }

  #key(event) {
    const mark = event.target.closest("[data-node]");
    if (!mark) return;
    const at = Number(mark.dataset.node), count = this.marks.length;
    if (event.key === "Enter" || event.key === " ") this.#choose(at);
    else if (["ArrowDown", "ArrowRight"].includes(event.key)) this.#focus((at + 1) % count);
    else if (["ArrowUp", "ArrowLeft"].includes(event.key)) this.#focus((at + count - 1) % count);
    else return;
    event.preventDefault();
  }

  #focus(index) { this.#stop(index); this.marks[index].mark.focus(); }
}
