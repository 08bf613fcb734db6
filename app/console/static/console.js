// What every page does: each request of htmx carries the page's token.
"use strict";
document.addEventListener("htmx:config:request", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]').content;
  event.detail.ctx.request.headers["x-csrf-token"] = token;
});
