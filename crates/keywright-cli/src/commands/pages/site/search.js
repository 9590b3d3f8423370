// Narrows the list to the pages that have all words. Without it the whole list is there.
const box = document.querySelector(".search");
const query = document.getElementById("query");
const found = document.getElementById("found");
const nothing = document.getElementById("nothing");
const rows = [...document.querySelectorAll("li[data-words]")];

function search() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const row of rows) {
    row.hidden = !words.every((word) => row.dataset.words.includes(word));
    count += row.hidden ? 0 : 1;
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = !group.querySelector("li:not([hidden])");
  }
  nothing.hidden = count > 0;
  found.textContent = words.length === 0 ? "" : count === 1 ? "1 page" : `${count} pages`;
  history.replaceState(null, "", words.length ? `#q=${encodeURIComponent(query.value)}` : location.pathname);
}

box.hidden = false;
query.value = new URLSearchParams(location.hash.slice(1)).get("q") ?? "";
query.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== query) {
    event.preventDefault();
    query.focus();
  }
});
search();
