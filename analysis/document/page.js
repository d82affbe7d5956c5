// Sorting by a column, and everything of one arm lit together. The page says all it has to say without this.
"use strict";

const number = text => {
  const found = text.replace(/,/g, "").match(/^[+\-−]?\d+(\.\d+)?/);
  return found ? parseFloat(found[0].replace("−", "-")) : NaN;
};

const compare = (a, b) => {
  const [x, y] = [number(a), number(b)];
  if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
  return isNaN(x) ? a.localeCompare(b) : x - y;
};

function sort(head) {
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const falling = head.getAttribute("aria-sort") === "ascending";
  for (const each of head.parentNode.cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const text = row => row.cells[column].textContent.trim();
  const rows = [...body.rows].sort((a, b) => {
    const missing = (text(a) === "–") - (text(b) === "–");
    return missing || (falling ? -1 : 1) * compare(text(a), text(b));
  });
  body.append(...rows);
}

for (const button of document.querySelectorAll("th > button"))
  button.addEventListener("click", () => sort(button.parentNode));

function light(arm) {
  document.body.classList.toggle("lit", Boolean(arm));
  for (const each of document.querySelectorAll("[data-arm]"))
    each.classList.toggle("on", each.dataset.arm === arm);
}

document.addEventListener("mouseover", event => {
  const over = event.target.closest("[data-arm]");
  light(over ? over.dataset.arm : "");
});

const links = new Map([...document.querySelectorAll("nav a")].map(a => [a.hash.slice(1), a]));
const seen = new IntersectionObserver(entries => {
  for (const entry of entries)
    links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
}, { rootMargin: "-20% 0px -70% 0px" });
for (const section of document.querySelectorAll("section[id]")) seen.observe(section);

addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not([open])")) {
    fold.open = true;
    fold.dataset.closed = "";
  }
});
addEventListener("afterprint", () => {
  for (const fold of document.querySelectorAll("details[data-closed]")) fold.open = false;
});
