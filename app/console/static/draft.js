// The draft: files by name with their whole text. It lives in this tab alone.
"use strict";
const draft = (() => {
  const key = "banneton.draft";
  const read = () => {
    try {
      const found = JSON.parse(sessionStorage.getItem(key) || "{}");
      return found && typeof found === "object" && !Array.isArray(found) ? found : {};
    } catch {
      return {};
    }
  };
  let files = read();
  const keep = () => sessionStorage.setItem(key, JSON.stringify(files));
  return {
    names: () => Object.keys(files),
    get: (name) => files[name],
    set: (name, text) => { files[name] = text; keep(); },
    drop: (name) => { delete files[name]; keep(); },
    clear: () => { files = {}; keep(); },
    json: () => JSON.stringify(files),
    token: () => document.querySelector('meta[name="csrf-token"]').content,
  };
})();

// Forms that send the draft get it in the moment they are sent.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form instanceof HTMLFormElement && form.matches("[data-draft]")) {
    form.elements.namedItem("draft").value = draft.json();
  }
});
