// The run as the page knows it: `hello` says everything, a `tick` what has changed since.

const POINTS = 600;
const RECENT = 12;

export class Run {
  constructor() { this.nodes = []; this.flows = []; this.recent = []; this.points = []; this.episodes = []; this.tick = null; }

  /** Everything anew. */
  hello(data) {
    this.scenario = data.scenario; this.mode = data.mode; this.speed = data.speed; this.letters = data.states; this.breakable = data.faults;
    this.nodes = data.nodes.map(([name, site, node, group, role, up], index) => (
      {name, site, node, group, role, up, index, state: "active", faults: [], captured: 0, sent: 0, received: 0, bytesUp: 0, bytesDown: 0, busy: 0, backlog: 0}));
    this.byName = new Map(this.nodes.map((node) => [node.name, node]));
    this.flows = data.flows.map(([src, dst]) => ({src, dst, messages: 0, bytes: 0, waiting: 0, newMessages: 0, rate: 0}));
    this.points = data.history; this.episodes = data.episodes; this.recent = []; this.tick = null; this.step = 0;
    this.take(data.tick);
    for (const flow of this.flows) { flow.newMessages = 0; flow.rate = 0; }
    this.fresh = [];
  }

  /** What has changed; afterwards `fresh` holds the new decisions. */
  take(tick) {
    const seconds = this.tick ? tick.time_s - this.tick.time_s : 0;
    this.tick = tick;
    this.nodes.forEach((node, i) => { node.state = this.letters[tick.states[i]] ?? "unknown"; });
    for (const [i, captured, sent, received, bytesUp, bytesDown, busy, backlog] of tick.nodes)
      Object.assign(this.nodes[i], {captured, sent, received, bytesUp, bytesDown, busy, backlog});
    this.#traffic(tick.flows, seconds);
    this.#faults(tick.faults);
    this.fresh = tick.recent.map(([site, sample, exit, predicted, label, time, latency]) => ({site, sample, exit, predicted, label, time, latency}));
    this.recent = [...this.fresh].reverse().concat(this.recent).slice(0, RECENT);
    this.#remember(tick);
  }

  get live() { return this.mode === "live" && this.tick?.status === "running"; }
  get over() { return !["preparing", "running"].includes(this.tick?.status); }

  /** Share of right decisions among the last 30 at each point of the history: [[time, share], ...]. */
  lately(size = 30) {
    const found = [];
    let from = 0;
    this.points.forEach(([time, decided, right], i) => {
      while (from + 1 < i && decided - this.points[from + 1][1] >= size) from += 1;
      const [, before, rightBefore] = decided >= size ? this.points[from] : [0, 0, 0];
      if (decided > before) found.push([time, (right - rightBefore) / (decided - before)]);
    });
    return found;
  }

  /** Share of right decisions so far at each point. */
  soFar() { return this.points.filter(([, decided]) => decided).map(([time, decided, right]) => [time, right / decided]); }

  /** Payload bytes a second of the run at each point, over a short window. */
  rates() {
    const window = Math.max(2 * this.speed, this.tick.duration_s / 80, 1);
    let from = 0;
    return this.points.map(([time, , , sum], i) => {
      while (from + 1 < i && time - this.points[from + 1][0] >= window) from += 1;
      const [start, , , before] = this.points[from];
      return [time, time > start ? (sum - before) / (time - start) : 0];
    });
  }

  #traffic(rows, seconds) {
    const fade = seconds > 0 ? Math.exp(-seconds / Math.max(2 * this.speed, 1)) : 1;
    const moved = new Map(rows.map((row) => [row[0], row]));
    this.flows.forEach((flow, i) => {
      const [, messages, bytes, waiting] = moved.get(i) ?? [i, flow.messages, flow.bytes, flow.waiting];
      flow.newMessages = messages - flow.messages;
      if (seconds > 0) flow.rate = flow.rate * fade + (1 - fade) * (bytes - flow.bytes) / seconds;
      Object.assign(flow, {messages, bytes, waiting});
    });
  }

  #faults(rows) {
    for (const node of this.nodes) node.faults = [];
    this.faults = new Map();
    for (const [id, kind, target, since, by] of rows) {
      const fault = this.faults.get(id) ?? {id, kind, targets: [], since, by};
      fault.targets.push(target);
      this.faults.set(id, fault);
      this.byName.get(target.split("->")[0])?.faults.push(fault);
      if (!this.episodes.some((one) => one.id === id && one.target === target && Math.abs(one.since_s - since) < 0.002))
        this.episodes.push({id, kind, target, by, since_s: since, until_s: null});
    }
    for (const one of this.episodes)
      if (one.until_s === null && !this.faults.get(one.id)?.targets.includes(one.target)) one.until_s = this.tick.time_s;
  }

  #remember(tick) {
    const last = this.points.at(-1);
    if (last && tick.time_s < last[0] + this.step) { if (this.over) this.points[this.points.length - 1] = this.#point(tick); return; }
    this.points.push(this.#point(tick));
    if (this.points.length > POINTS) {
      this.points = this.points.filter((_, i) => i % 2 === 0);
      this.step = 2 * (tick.time_s - this.points[0][0]) / POINTS;
    }
  }

  #point(tick) { return [tick.time_s, tick.decided, tick.right, tick.payload_bytes]; }
}
