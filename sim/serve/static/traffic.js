// Messages on their way and verdicts as they come, drawn over the picture of the fleet.

import {along} from "./layout.js";

const MOST = 420;
const TRIP_MS = 850;
const RING_MS = 700;

export class Traffic {
  constructor(canvas, map) {
    this.canvas = canvas; this.map = map; this.dots = []; this.rings = []; this.going = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    const colours = () => { const style = getComputedStyle(document.documentElement); this.colours = Object.fromEntries(["up", "down", "right", "wrong"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()])); };
    colours();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colours);
  }

  /** Takes what a tick brought; it is spread over the time until the next one. */
  tick(run, everyMs) {
    if (this.still.matches || document.hidden) return;
    const now = performance.now();
    const moving = run.flows.filter((flow) => flow.newMessages > 0);
    const each = Math.max(0.02, Math.min(1, (MOST - this.dots.length) / Math.max(1, moving.reduce((sum, flow) => sum + Math.min(6, flow.newMessages), 0))));
    for (const flow of moving) {
      for (let k = 0; k < Math.min(6, flow.newMessages); k += 1) {
        if (Math.random() > each || this.dots.length >= MOST) continue;
        this.dots.push({edge: flow.edge, edges: this.map.edges, up: flow.src === flow.edge.low, severed: flow.edge.severed, start: now + Math.random() * everyMs});
      }
    }
    for (const one of run.fresh.slice(-40)) this.#verdict(run, one, now + Math.random() * everyMs);
    if (!this.going && (this.dots.length || this.rings.length)) { this.going = true; requestAnimationFrame((time) => this.#draw(time)); }
  }

  #verdict(run, one, start) {
    const role = {cloud: "cloud", device: "camera"}[one.exit] ?? "gateway";
    const node = run.nodes.find((node) => node.role === role && (role === "cloud" || node.site === one.site));
    if (node) this.rings.push({index: node.index, right: one.predicted === one.label, start});
  }

  #draw(now) {
    const {canvas, map} = this, scale = Math.min(2, devicePixelRatio || 1), wide = Math.round(map.width * scale), high = Math.round(map.height * scale);
    if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, map.width, map.height);
    this.dots = this.dots.filter((dot) => now < dot.start + TRIP_MS && dot.edges === map.edges);
    const size = map.few ? 3 : 1.6;
    for (const dot of this.dots) {
      if (now < dot.start) continue;
      // On a cut link nobody gets further than half the way.
      const t = (dot.severed ? 0.5 : 1) * (now - dot.start) / TRIP_MS, [x, y] = along(dot.edge.path, dot.up ? t : 1 - t);
      pen.fillStyle = dot.severed ? this.colours.wrong : dot.up ? this.colours.up : this.colours.down;
      pen.globalAlpha = Math.min(1, 4 * t, 4 * ((dot.severed ? 0.5 : 1) - t));
      pen.beginPath(); pen.arc(x, y, size, 0, 7); pen.fill();
    }
    this.rings = this.rings.filter((ring) => now < ring.start + RING_MS && map.places[ring.index]);
    for (const ring of this.rings) {
      if (now < ring.start) continue;
      const t = (now - ring.start) / RING_MS, place = map.places[ring.index];
      pen.strokeStyle = ring.right ? this.colours.right : this.colours.wrong;
      pen.globalAlpha = 0.9 * (1 - t); pen.lineWidth = map.few ? 2.5 : 1.2;
      pen.beginPath(); pen.arc(place.x, place.y, place.r + (map.few ? 16 : 7) * t, 0, 7); pen.stroke();
    }
    pen.globalAlpha = 1;
    this.going = this.dots.length + this.rings.length > 0;
    if (this.going) requestAnimationFrame((time) => this.#draw(time));
  }
}
