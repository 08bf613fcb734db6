// The page where prompts are composed: the editor, and the parts that follow what is typed.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const choice = $("choice"), file = $("file"), text = $("text"), numbers = $("numbers");
  const lenses = $("lenses"), position = $("position"), told = $("told"), revert = $("revert");
  const originals = new Map();
  let problems = [], asked = 0, timer = 0, running = null;

  const swap = (html) => {
    const made = new DOMParser().parseFromString(html, "text/html");
    for (const id of ["fields", "prompt", "change", "rules"]) {
      const here = $(id), there = made.getElementById(id);
      if (!there || here.innerHTML === there.innerHTML) continue;
      const focused = here.contains(document.activeElement) ? document.activeElement.id : "";
      const open = [...here.querySelectorAll("details")].map((each) => each.open);
      here.replaceChildren(...document.importNode(there, true).childNodes);
      here.querySelectorAll("details").forEach((each, index) => {
        if (open[index] !== undefined) each.open = each.open || open[index];
      });
      if (focused) $(focused)?.focus();
    }
    problems = JSON.parse($("found").dataset.problems);
    mark();
    const box = document.querySelector(".prompt"), first = box?.querySelector(".is-new, .is-gone");
    if (first) box.scrollTop = first.offsetTop - 96;
  };

  const preview = async () => {
    const mine = ++asked;
    running?.abort();
    running = new AbortController();
    const body = new FormData(choice);
    body.set("draft", draft.json());
    $("prompt").setAttribute("aria-busy", "true");
    told.textContent = told.dataset.busy;
    try {
      const answer = await fetch("/console/compose/preview", {
        method: "POST", body, signal: running.signal,
        headers: { "x-csrf-token": draft.token(), "hx-request": "true" },
      });
      const html = await answer.text();
      if (mine !== asked) return;
      if (answer.ok) swap(html);
      else showError(html);
      told.textContent = answer.ok ? told.dataset.done : told.dataset.failed;
    } catch (error) {
      if (error.name !== "AbortError") told.textContent = told.dataset.failed;
    } finally {
      if (mine === asked) $("prompt").setAttribute("aria-busy", "false");
    }
  };
  const showError = (html) => {
    const made = new DOMParser().parseFromString(html, "text/html").querySelector(".error");
    if (made) $("change").replaceChildren(document.importNode(made, true));
  };
  const soon = (ms) => { clearTimeout(timer); timer = setTimeout(preview, ms); };

  // The editor.
  const original = async (name) => {
    if (!originals.has(name)) {
      const answer = await fetch(`/console/compose/file?name=${encodeURIComponent(name)}`, { headers: { "hx-request": "true" } });
      if (!answer.ok) {
        showError(await answer.text());
        return null;
      }
      originals.set(name, (await answer.json()).text);
    }
    return originals.get(name);
  };
  const open = async (name, line, focuses) => {
    if (![...file.options].some((each) => each.value === name)) return;
    file.value = name;
    text.disabled = true;
    const was = await original(name);
    if (file.value !== name || was === null) return;
    text.value = draft.get(name) ?? was;
    text.disabled = false;
    mark();
    if (line) go(line, focuses);
    else { text.scrollTop = 0; text.setSelectionRange(0, 0); where(); }
  };
  const go = (line, focuses) => {
    const lines = text.value.split("\n");
    const at = Math.min(Math.max(line, 1), lines.length);
    const start = lines.slice(0, at - 1).reduce((sum, each) => sum + each.length + 1, 0);
    if (focuses) text.focus({ preventScroll: true });
    text.setSelectionRange(start, start + lines[at - 1].length);
    text.scrollTop = (at - 4) * lineHeight();
    text.scrollLeft = 0;
    if (focuses) $("editor").scrollIntoView({ block: "nearest" });
    where();
    scrolled();
  };
  const lineHeight = () => parseFloat(getComputedStyle(text).lineHeight);
  const where = () => {
    const before = text.value.slice(0, text.selectionStart).split("\n");
    position.textContent = position.dataset.said
      .replace("{line}", before.length)
      .replace("{column}", before.at(-1).length + 1);
  };
  const here = () => problems.filter((each) => each.file === file.value);
  const mark = () => {
    const wrong = new Set(here().map((each) => each.line));
    const count = text.value.split("\n").length;
    const made = [];
    for (let line = 1; line <= count; line++) {
      const number = document.createElement("span");
      number.textContent = line;
      if (wrong.has(line)) number.className = "is-wrong";
      made.push(number);
    }
    numbers.replaceChildren(...made);
    lenses.replaceChildren(...here().filter((each) => each.line).map((each) => {
      const lens = document.createElement("p");
      lens.dataset.line = each.line;
      lens.textContent = each.what;
      return lens;
    }));
    list();
    for (const option of file.options) {
      const name = option.value;
      const isEdited = draft.get(name) !== undefined;
      option.textContent = isEdited ? `● ${name} (${file.dataset.edited})` : name;
      option.value = name;
    }
    revert.disabled = draft.get(file.value) === undefined;
    text.setAttribute("aria-invalid", here().length ? "true" : "false");
    scrolled();
  };
  const list = () => {
    const made = problems.map((each) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const place = document.createElement("code");
      button.type = "button";
      button.className = "problem";
      place.textContent = each.line ? `${each.file}:${each.line}` : each.file;
      button.append(place, ` ${each.path ? `${each.path}: ` : ""}${each.what}`);
      button.addEventListener("click", () => open(each.file, each.line, true));
      item.append(button);
      return item;
    });
    const box = $("mistakes");
    if (!made.length) return box.replaceChildren();
    const listed = document.createElement("ul");
    listed.className = "problems";
    listed.append(...made);
    box.replaceChildren(listed);
  };
  const scrolled = () => {
    numbers.scrollTop = text.scrollTop;
    const height = lineHeight();
    const typing = document.activeElement === text ? text.value.slice(0, text.selectionStart).split("\n").length : 0;
    for (const lens of lenses.children) {
      const top = (Number(lens.dataset.line) - 1) * height - text.scrollTop;
      lens.style.top = `${top}px`;
      lens.hidden = Number(lens.dataset.line) === typing || top < -1 || top > text.clientHeight - height;
    }
  };

  text.addEventListener("input", () => {
    const name = file.value;
    if (text.value === originals.get(name)) draft.drop(name);
    else draft.set(name, text.value);
    problems = problems.filter((each) => each.file !== name);
    mark();
    where();
    soon(450);
  });
  text.addEventListener("scroll", scrolled);
  for (const event of ["keyup", "click", "select", "blur"]) text.addEventListener(event, () => { where(); scrolled(); });
  file.addEventListener("change", () => open(file.value, 0, false));
  revert.addEventListener("click", () => {
    draft.drop(file.value);
    text.value = originals.get(file.value);
    mark();
    text.focus();
    soon(0);
  });
  choice.addEventListener("submit", (event) => { event.preventDefault(); soon(0); });
  choice.addEventListener("input", (event) => {
    const query = new URLSearchParams([...new FormData(choice)].filter(([, value]) => value));
    history.replaceState(null, "", `?${query}`);
    soon(event.target.matches("input") ? 450 : 0);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-file]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      open(link.dataset.file, Number(link.dataset.line), true);
    }
    if (event.target.id === "discard" && window.confirm(told.dataset.sure)) {
      draft.clear();
      open(file.value, 0, true);
      soon(0);
    }
  });

  const line = Number(document.querySelector(".pad").dataset.line);
  open(file.value, line, line > 0);
  if (draft.names().length) soon(0);
})();
