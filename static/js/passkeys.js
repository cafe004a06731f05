/* Passkeys: has the browser make or use one, and sends what it gives with the form around the button. */
"use strict";
(() => {
  // A passkey belongs to a domain name; at an address in numbers no browser makes one.
  const can = window.PublicKeyCredential?.parseRequestOptionsFromJSON && !/^[\d.]+$|:/.test(location.hostname);
  const acts = {
    create: (options) => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
    get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
  };
  const words = {
    InvalidStateError: "This device has a passkey for your account already.",
    NotAllowedError: "The browser was not allowed to use a passkey. Nothing was changed; try again.",
    TypeError: "You are offline or Reflow cannot be reached. Nothing was changed; try again.",
  };

  const send = async (form) => {
    const answer = await fetch(form.dataset.options, { method: "POST", body: new FormData(form), redirect: "manual" });
    const isJson = answer.headers.get("Content-Type")?.includes("json");
    // Whatever else the server wants, a name or a fresh log-in: the form itself brings its page.
    if (answer.ok && isJson) form.elements.credential.value = JSON.stringify(await acts[form.dataset.passkey](await answer.json()));
    form.submit();
  };
  const listen = (form) => form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button:not([type])");
    const status = form.querySelector("[data-passkey-status]");
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    status.textContent = "";
    try {
      await send(form);
    } catch (error) {
      status.textContent = words[error.name] || "This browser could not use a passkey here.";
      button.removeAttribute("aria-disabled");
    }
  });

  for (const form of can ? document.querySelectorAll("[data-passkey]") : []) {
    form.hidden = false;
    listen(form);
    form.querySelector("[autofocus]")?.focus();
  }
  for (const part of can ? document.querySelectorAll("[data-without-passkeys]") : []) part.remove();
})();
