/* Creates or uses a passkey in the browser, and submits the result with the form around the button. */
"use strict";
(() => {
  // A passkey belongs to a domain name; browsers create none at an IP address.
  const can = window.PublicKeyCredential?.parseRequestOptionsFromJSON && !/^[\d.]+$|:/.test(location.hostname);
  if (!can) return;
  const acts = {
    create: (options) => navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) }),
    get: (options) => navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) }),
  };
  const words = {
    InvalidStateError: "This device has a passkey for your account already.",
    NotAllowedError: "The browser did not use a passkey. You can try again.",
    TypeError: "You are offline or Reflow cannot be reached. Try again.",
  };

  const credential = async (form) => {
    const answer = await fetch(form.dataset.options, { method: "POST", body: new FormData(form), redirect: "manual" });
    const isJson = answer.ok && answer.headers.get("Content-Type")?.includes("json");
    // For other responses, such as an invalid name or an ended session, submit the form to show the page.
    return isJson ? JSON.stringify(await acts[form.dataset.passkey](await answer.json())) : "";
  };
  const answered = new WeakSet();
  const ask = async (form) => {
    const button = form.querySelector("button");
    const status = form.querySelector("[data-passkey-status]");
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    status.textContent = "";
    try {
      form.querySelector("[data-credential]").value = await credential(form);
      answered.add(form);
      form.requestSubmit();
    } catch (error) {
      status.textContent = words[error.name] || "This browser could not use a passkey here.";
    }
    button.removeAttribute("aria-disabled");
  };
  // In the capture phase, so that no other handler submits the form before the passkey is ready.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-passkey]") || answered.delete(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    ask(event.target);
  }, true);

  const reveal = () => {
    for (const part of document.querySelectorAll("[data-without-passkeys]")) part.remove();
    for (const form of document.querySelectorAll("[data-passkey][hidden]")) {
      form.hidden = false;
      form.querySelector("[autofocus]")?.focus();
    }
  };
  document.addEventListener("htmx:after:swap", reveal);
  reveal();
})();
