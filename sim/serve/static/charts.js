// Curves over the time of the run, with the faults behind them.

import {clock, drawn} from "./words.js";

const HEIGHT = 170, LEFT = 46, RIGHT = 12, TOP = 18, BOTTOM = 22;

/** Draws `curves` ([{points: [[time, value], ...], look}]) into `place`; `until` is the end of the time axis. */
export function chart(place, {curves, until, low = 0, high, shown, bands, label}) {
  const width = place.clientWidth, x = (t) => LEFT + (width - LEFT - RIGHT) * Math.min(1, t / Math.max(until, 1e-9));
  const y = (v) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (Math.min(high, Math.max(low, v)) - low) / (high - low || 1));
  const svg = drawn("svg", {viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label});
  let free = LEFT;
  for (const band of bands) {
    const left = x(band.from), wide = Math.max(2, x(band.to ?? until) - left), room = 6.2 * band.name.length;
    svg.append(drawn("rect", {class: "band", x: left, y: TOP, width: wide, height: HEIGHT - TOP - BOTTOM}, drawn("title", {text: band.name})));
    if (left >= free && left + room < width) { svg.append(drawn("text", {class: "cause", x: left, y: TOP - 5, text: band.name})); free = left + room + 4; }
  }
  for (const share of [0, 0.5, 1]) {
    const value = low + share * (high - low);
    svg.append(drawn("path", {class: "grid", d: `M${LEFT} ${y(value)}H${width - RIGHT}`}), drawn("text", {class: "tick end", x: LEFT - 6, y: y(value) + 4, text: shown(value)}));
  }
  for (const t of moments(until, width < 420 ? 3 : 6)) svg.append(drawn("text", {class: "tick middle", x: x(t), y: HEIGHT - 5, text: clock(t)}));
  for (const {points, look, filled} of curves) {
    if (points.length < 2) continue;
    const line = points.map(([t, v]) => `${x(t).toFixed(1)} ${y(v).toFixed(1)}`).join("L");
    if (filled) svg.append(drawn("path", {class: "area", d: `M${x(points[0][0]).toFixed(1)} ${y(low)}L${line}L${x(points.at(-1)[0]).toFixed(1)} ${y(low)}Z`}));
    svg.append(drawn("path", {class: `curve ${look}`, d: `M${line}`}));
    if (look === "strong") svg.append(drawn("circle", {class: "head", r: 3.5, cx: x(points.at(-1)[0]), cy: y(points.at(-1)[1])}));
  }
  place.replaceChildren(svg);
}

function moments(until, most) {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400].find((s) => until / s <= most) ?? until / most;
  return Array.from({length: Math.floor(until / step + 1e-9) + 1}, (_, i) => i * step);
}
