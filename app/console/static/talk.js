// Conversations that are tried out: each column sends what was said, and shows what comes of it.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const talk = one(".talk");
  const form = one("#say");
  const text = one("#text");
  const stop = one("#stop");
  const send = one("#send");
  const status = one("#talk-status");
  const running = new Set();
  let turns = 0;

  // Server-sent events, of which only the data counts: HTML.
  async function* events(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const whole = (rest + value).split("\n\n");
      rest = whole.pop();
      for (const event of whole) {
        yield event.split("\n").map((line) => line.replace(/^data: ?/, "")).join("\n");
      }
    }
  }

  // Each piece says where it goes, and whether it fills that place, adds to it or ends it.
  function put(html) {
    const parsed = document.createElement("template");
    parsed.innerHTML = html;
    for (const piece of all("template", parsed.content)) {
      const into = document.getElementById(piece.dataset.into);
      if (!into) continue;
      if (piece.dataset.how === "add") {
        into.append(piece.content);
        const waiting = into.parentElement.querySelector(".talk-wait");
        if (waiting) waiting.hidden = true;
      } else if (piece.dataset.how === "fill") {
        into.replaceChildren(piece.content);
      } else {
        all(".talk-wait", into).forEach((each) => each.remove());
        into.append(piece.content);
      }
    }
  }

  function said(into, words, isWrong) {
    all(".talk-wait", into).forEach((each) => each.remove());
    const line = document.createElement("p");
    line.className = isWrong ? "mistake" : "hint";
    line.textContent = words;
    into.append(line);
  }

  function opened(column, place, words) {
    const turn = document.createElement("article");
    turn.className = "talk-turn";
    turn.id = place;
    const who = document.createElement("h2");
    who.className = "talk-who";
    who.textContent = talk.dataset.you;
    const mine = document.createElement("p");
    mine.className = "talk-text";
    mine.textContent = words;
    const section = document.createElement("div");
    section.className = "talk-user";
    section.append(who, mine);
    const waiting = document.createElement("p");
    waiting.className = "hint talk-wait";
    waiting.textContent = talk.dataset.sending;
    turn.append(section, waiting);
    one(".talk-turns", column).append(turn);
    return turn;
  }

  async function run(column, choices, words, place, signal) {
    const fields = new URLSearchParams(new FormData(choices));
    const before = all(".talk-history", column);
    fields.set("history", JSON.stringify(before.map((each) => [each.dataset.user, each.dataset.answer])));
    fields.set("text", words);
    fields.set("place", place);
    if (fields.get("revision") === "draft") fields.set("draft", draft.json());
    const session = one("[name=session]", form);
    if (session) fields.set("session", session.value);
    const turn = opened(column, place, words);
    turn.setAttribute("aria-busy", "true");
    turn.scrollIntoView({ block: "nearest" });
    const token = one('meta[name="csrf-token"]').content;
    const headers = { "x-csrf-token": token, "hx-request": "true" };
    try {
      const answer = await fetch("/console/turn", { method: "POST", body: fields, headers, signal });
      if (answer.headers.get("hx-redirect")) {
        location.assign(answer.headers.get("hx-redirect"));
      } else if ((answer.headers.get("content-type") || "").startsWith("text/event-stream")) {
        for await (const event of events(answer.body)) put(event);
      } else {
        const wrong = document.createElement("template");
        wrong.innerHTML = await answer.text();
        all(".talk-wait", turn).forEach((each) => each.remove());
        turn.append(wrong.content);
      }
    } catch (error) {
      if (error.name === "AbortError") said(turn, talk.dataset.stopped, false);
      else said(turn, talk.dataset.lost, true);
    }
    turn.removeAttribute("aria-busy");
    turn.scrollIntoView({ block: "nearest" });
  }

  function busy(isBusy) {
    send.disabled = isBusy;
    stop.hidden = !isBusy;
    all(".talk-empty").forEach((each) => { each.hidden = isBusy || turns > 0; });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const words = text.value;
    if (!words.trim() || running.size) return;
    turns += 1;
    const abort = new AbortController();
    running.add(abort);
    busy(true);
    text.value = "";
    const columns = all("[data-column]");
    document.dispatchEvent(new CustomEvent("talk:sent"));
    await Promise.all(columns.map((column, at) => {
      const choices = one(".choices", column) || one(".choices");
      return run(column, choices, words, `t${turns}c${at}`, abort.signal);
    }));
    running.delete(abort);
    busy(false);
    status.textContent = talk.dataset.done;
    text.focus();
    document.dispatchEvent(new CustomEvent("talk:done", { detail: { turn: turns } }));
  });

  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  stop.addEventListener("click", () => running.forEach((each) => each.abort()));

  function newSession() {
    const name = [...crypto.getRandomValues(new Uint8Array(3))].map((each) => each.toString(16).padStart(2, "0"));
    all("[name=session]").forEach((each) => { each.value = `trial-${name.join("")}`; });
  }
  one("#again").addEventListener("click", () => {
    running.forEach((each) => each.abort());
    all(".talk-turns").forEach((each) => each.replaceChildren());
    turns = 0;
    newSession();
    busy(false);
    text.focus();
    document.dispatchEvent(new CustomEvent("talk:again"));
  });

  function show(mark) {
    const note = document.getElementById(mark.dataset.note);
    if (note) note.showPopover({ source: mark });
  }
  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    if (on("[data-note]")) show(on("[data-note]"));
    if (on("[data-new-session]")) newSession();
    if (on("[data-sample]")) {
      text.value = on("[data-sample]").dataset.sample;
      text.focus();
    }
    const side = on("[data-show]");
    if (side) {
      const turn = side.closest(".talk-turn");
      all("[data-show]", turn).forEach((each) => each.setAttribute("aria-pressed", String(each === side)));
      all("[data-side]", turn).forEach((each) => { each.hidden = each.dataset.side !== side.dataset.show; });
    }
  });
  document.addEventListener("keydown", (event) => {
    const mark = event.target.closest && event.target.closest("[data-note]");
    if (mark && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      show(mark);
    }
  });
})();
