// Whether there is a draft to review is known to this browser alone.
"use strict";
(() => {
  const waits = document.getElementById("draft-waits"), none = document.getElementById("draft-none");
  const count = draft.names().length;
  if (!waits || !count) return;
  waits.hidden = false;
  none.hidden = true;
  document.getElementById("draft-count").textContent = waits.dataset.count.replace("{count}", count);
})();
