/* Sends a form once, also when its button is clicked twice: the browser drops the response to the first request, and
   with it the new session. After a while a form can be sent again, because its request may have been stopped. */
"use strict";
(() => {
  const PAUSE_MS = 3000;
  const sent = new WeakSet();
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (sent.has(form)) return event.preventDefault();
    sent.add(form);
    setTimeout(() => sent.delete(form), PAUSE_MS);
  });
})();
