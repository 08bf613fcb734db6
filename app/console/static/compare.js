// Side by side: columns come and go, and after each turn the answers are compared.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const columns = document.getElementById("columns");
  const add = document.getElementById("add");
  const differences = document.getElementById("differences");
  const places = [..."abcdefgh"].slice(0, Number(add.dataset.most));
  const token = () => document.querySelector('meta[name="csrf-token"]').content;
  const free = () => places.filter((place) => !columns.querySelector(`[data-column="${place}"]`));

  add.addEventListener("click", async () => {
    const place = free()[0];
    const last = all(".choices", columns).at(-1);
    const query = new URLSearchParams(last ? new FormData(last) : "");
    query.set("place", place);
    const answer = await fetch(`/console/compare/column?${query}`, { headers: { "hx-request": "true" } });
    const made = document.createElement("template");
    made.innerHTML = await answer.text();
    const column = made.content.firstElementChild;
    columns.append(column);
    htmx.process(column);
    add.disabled = free().length === 0;
    column.querySelector("select, input").focus();
  });
  columns.addEventListener("click", (event) => {
    const remove = event.target.closest("[data-remove]");
    if (!remove || columns.children.length < 2) return;
    remove.closest("[data-column]").remove();
    add.disabled = false;
    add.focus();
  });
  // Once something is said, the forms make room for what is answered; they say what is chosen.
  document.addEventListener("talk:sent", () => {
    for (const fold of all(".column-choices", columns)) {
      const chosen = all("select, [name=revision]", fold)
        .filter((each) => each.value && !each.name.startsWith("var."))
        .map((each) => (each.selectedOptions ? each.selectedOptions[0].text : each.value));
      fold.querySelector("summary").textContent = chosen.join(" · ");
      fold.open = false;
    }
  });
  document.addEventListener("talk:again", () => differences.replaceChildren());
  document.addEventListener("talk:done", async () => {
    differences.replaceChildren();
    const answers = all("[data-column]", columns).map((column) => {
      const turn = all(".talk-turn", column).at(-1);
      const history = turn && turn.querySelector(".talk-history");
      const name = column.dataset.column.toUpperCase();
      return [name, turn?.querySelector("[data-outcome]")?.dataset.outcome || "failed", history ? history.dataset.answer : ""];
    });
    if (answers.length < 2) return;
    const body = new URLSearchParams({ answers: JSON.stringify(answers) });
    const headers = { "x-csrf-token": token(), "hx-request": "true" };
    const answer = await fetch("/console/compare/differences", { method: "POST", body, headers });
    differences.innerHTML = await answer.text();
  });
})();
