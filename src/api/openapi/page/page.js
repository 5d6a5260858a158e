"use strict";
const field = document.getElementById("search");
const calls = [...document.querySelectorAll("[data-search]")];
const chapters = [...document.querySelectorAll("[data-chapter]")];
const none = document.getElementById("none");
function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const call of calls) {
    const fits = words.every((word) => call.dataset.search.includes(word));
    call.classList.toggle("hidden", !fits);
    found += fits;
  }
  for (const chapter of chapters) {
    chapter.classList.toggle("hidden", !chapter.querySelector("[data-search]:not(.hidden)"));
  }
  none.classList.toggle("hidden", found > 0);
}
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named instanceof HTMLDetailsElement) named.open = true;
}
field.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) { event.preventDefault(); field.focus(); }
  if (event.key === "Escape" && document.activeElement === field) { field.value = ""; search(); field.blur(); }
});
window.addEventListener("hashchange", openNamed);
openNamed();
search();
