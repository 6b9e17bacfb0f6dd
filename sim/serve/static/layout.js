// Where the nodes stand: a tree for few of them, sites around the cloud like the seeds of a sunflower for many.

const GOLDEN = Math.PI * (3 - Math.sqrt(5));
export const FEW = 30;

/** Places for all nodes in a stage `width` pixels wide: {height, few, places: [{x, y, r}]}. */
export function layout(nodes, width) {
  const children = nodes.map(() => []), roots = [];
  nodes.forEach((node, i) => (node.up < 0 ? roots : children[node.up]).push(i));
  return nodes.length <= FEW ? tree(nodes, children, roots, width) : flower(nodes, children, roots, width);
}

const radius = {camera: 15, gateway: 20, cloud: 25};

function tree(nodes, children, roots, width) {
  const depth = (i) => 1 + Math.max(0, ...children[i].map(depth)), levels = Math.max(1, ...roots.map(depth));
  const leaves = nodes.filter((_, i) => !children[i].length).length;
  const pitch = Math.max(54, Math.min(74, 400 / leaves)), places = [];
  const margin = width < 500 ? 44 : 90, step = levels > 1 ? (width - 2 * margin) / (levels - 1) : 0;
  let row = 0;
  const put = (i, level) => {
    const below = children[i].map((child) => put(child, level + 1));
    const y = below.length ? (below[0] + below.at(-1)) / 2 : pitch * (row++ + 0.5);
    places[i] = {x: width - margin - level * step, y: y + 4, r: radius[nodes[i].role] ?? 15};
    return y;
  };
  roots.forEach((root) => put(root, 0));
  return {height: Math.max(pitch * row + 22, 200), few: true, places};
}

function flower(nodes, children, roots, width) {
  const groups = roots.flatMap((root) => children[root]), most = Math.max(1, ...groups.map((i) => children[i].length));
  const height = Math.round(Math.max(340, Math.min(width * (width < 500 ? 1.5 : 0.62), width < 500 ? 620 : 640)));
  const places = [], centre = [width / 2, height / 2], free = 0.07;
  roots.forEach((root, k) => { places[root] = {x: centre[0] + 60 * k, y: centre[1], r: 20}; });
  const room = Math.sqrt((width * height * 0.78) / Math.max(1, groups.length));
  const dot = Math.max(1.7, Math.min(6, room / (most > 1 ? 11 : 4)));
  groups.forEach((group, k) => {
    const share = Math.sqrt(free + (1 - free) * (k + 0.5) / groups.length), angle = k * GOLDEN;
    const edge = room / 2 + 2;
    const x = centre[0] + (width / 2 - edge) * share * Math.cos(angle), y = centre[1] + (height / 2 - edge) * share * Math.sin(angle);
    places[group] = {x, y, r: children[group].length ? dot * 1.5 : dot};
    ring(group, x, y, room * 0.3, angle);
  });
  function ring(group, x, y, far, start) {
    children[group].forEach((child, n) => {
      const angle = start + 2 * Math.PI * n / children[group].length;
      places[child] = {x: x + far * Math.cos(angle), y: y + far * Math.sin(angle), r: dot};
      ring(child, places[child].x, places[child].y, far / 2, angle);
    });
  }
  return {height, few: false, places};
}

/** The points of the line between two places: a curve in a tree, straight among many. */
export function course(from, to, few) {
  const middle = (from.x + to.x) / 2;
  return few ? [from.x, from.y, middle, from.y, middle, to.y, to.x, to.y] : [from.x, from.y, to.x, to.y];
}

/** The point at share `t` of a course. */
export function along(c, t) {
  if (c.length === 4) return [c[0] + (c[2] - c[0]) * t, c[1] + (c[3] - c[1]) * t];
  const u = 1 - t, a = u * u * u, b = 3 * u * u * t, d = 3 * u * t * t, e = t * t * t;
  return [a * c[0] + b * c[2] + d * c[4] + e * c[6], a * c[1] + b * c[3] + d * c[5] + e * c[7]];
}
