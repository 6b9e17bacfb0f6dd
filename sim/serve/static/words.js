// Figures as people read them.

const SIZES = ["B", "kB", "MB", "GB", "TB"];

/** A byte count with its unit. */
export function bytes(count) {
  let step = 0;
  while (count >= 1000 && step < SIZES.length - 1) { count /= 1000; step += 1; }
  return `${step && count < 100 ? count.toFixed(1).replace(".0", "") : Math.round(count)} ${SIZES[step]}`;
}

/** Seconds as m:ss, or h:mm:ss. */
export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds)), two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

/** A share as a percentage. */
export const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share === 0 ? 0 : 1)} %`;

/** A whole number with thin spaces. */
export const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009");

/** A whole number that fits into little room. */
export const brief = (n) => (n < 10000 ? count(n) : n < 1e6 ? `${(n / 1e3).toFixed(1)} k` : `${(n / 1e6).toFixed(2)} M`);

/** An element: element("li", {class: "x", text: "..."}, child, ...). */
export function element(name, given = {}, ...children) {
  return filled(document.createElement(name), given, children);
}

/** The same in SVG. */
export function drawn(name, given = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), given, children);
}

function filled(made, given, children) {
  for (const [key, value] of Object.entries(given)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Sets a text only where it changes: screen readers and layout are spared the rest. */
export function tell(id, text) {
  const place = document.getElementById(id);
  if (place.textContent !== text) place.textContent = text;
}
