"use strict";
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(body, heads, column));
  });
}
function sort(body, heads, column) {
  const head = heads[column];
  const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : !head.classList.contains("n");
  heads.forEach((other) => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const numeric = head.classList.contains("n");
  const key = (row) => (numeric ? row.cells[column].dataset.v : row.cells[column].textContent);
  const compare = (a, b) => (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const rows = [...body.rows];
  rows.sort((one, two) => {
    const a = key(one), b = key(two);
    if (a === "" || b === "") return (a === "") - (b === "");
    return up ? compare(a, b) : compare(b, a);
  });
  body.append(...rows);
}
for (const input of document.querySelectorAll("input[data-filter]")) {
  const body = document.getElementById(input.dataset.filter).tBodies[0];
  const count = document.querySelector(`[data-count="${input.dataset.filter}"]`);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = input.value ? `${shown} of ${body.rows.length} rows` : "";
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
