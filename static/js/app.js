/* Dialogs, copying and protecting secrets that are shown once, and messages about failed requests. */
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const modal = byId("modal");
  const dialog = () => modal.querySelector("dialog");
  const unsaved = () => {
    const form = document.querySelector("[data-unsaved]");
    return form && !form.elements.saved.checked ? form : null;
  };
  const copyButton = () => document.querySelector("main [data-unsaved] [data-copy]");

  // One message per action. It is cleared, so that screen readers do not find it later.
  const clearing = new Map();
  const say = (text, id = dialog() ? "dialog-live" : "live") => {
    const place = byId(id);
    if (!place) return;
    place.textContent = text;
    clearTimeout(clearing.get(id));
    clearing.set(id, setTimeout(() => { place.textContent = ""; }, 10000));
  };

  // --- Dialogs -------------------------------------------------------------------------------------

  // A closed dialog returns the focus to its opener; after an action, to the heading of its section,
  // unless the opener has data-stays. A swapped opener is found by its id.
  let opener = null;
  const focusAfter = (isDone) => {
    const back = opener && (!isDone || "stays" in opener.dataset) && (opener.isConnected ? opener : byId(opener.id));
    const section = opener?.closest("section")?.getAttribute("aria-labelledby");
    (back || (section && byId(section)) || byId("heading"))?.focus();
  };
  const finish = (message) => {
    const open = dialog();
    if (open?.querySelector("[data-stale]")) return location.reload();
    const revealed = open?.querySelector("[data-unsaved]");
    if (open?.open) open.close();
    modal.replaceChildren();
    focusAfter(Boolean(revealed || message));
    if (revealed || message) say(revealed ? revealed.dataset.closed : message);
  };
  const guard = (form) => {
    form.querySelector("[data-warning]").hidden = true;
    form.querySelector("[data-guard]").hidden = false;
    form.querySelector("[data-back]").focus();
    form.querySelector("[data-guard]").scrollIntoView({ block: "nearest" });
  };
  // The pending request may create a key that would never be shown again.
  const isBusy = () => dialog()?.querySelector("[aria-disabled]");
  const leave = () => {
    if (isBusy()) return;
    if (unsaved()) guard(unsaved());
    else finish();
  };

  document.addEventListener("htmx:before:request", ({ target }) => {
    if (!modal.contains(target)) opener = document.activeElement;
  });
  document.addEventListener("htmx:after:swap", ({ detail }) => {
    const arrived = dialog();
    if (arrived && !arrived.open) {
      // Esc: the guard is shown once; a second Esc closes.
      arrived.addEventListener("cancel", (event) => {
        event.preventDefault();
        if (unsaved()?.querySelector("[data-guard]").hidden === false) finish();
        else leave();
      });
      // Chromium lets a second Esc through without asking.
      arrived.addEventListener("close", () => {
        if (dialog() !== arrived) return;
        if (isBusy()) arrived.showModal();
        else finish();
      });
      arrived.showModal();
    }
    const part = detail.ctx?.target?.id && byId(detail.ctx.target.id);
    if (part?.id === "main") modal.replaceChildren();
    enhance();
    dialog()?.querySelector('[aria-invalid="true"]')?.focus();
    // The button was removed with its row: focus the heading of its section, or of the page.
    if (document.activeElement === document.body) (copyButton() || byId(part?.getAttribute("aria-labelledby") || "heading"))?.focus();
    // A form of an old session keeps its input and gets the token of the current session.
    for (const place of document.querySelectorAll("[data-token]")) {
      for (const field of document.getElementsByName("csrf_token")) field.value = place.dataset.token;
      place.scrollIntoView({ block: "nearest" });
    }
    if (part?.dataset?.announce) say(part.dataset.announce);
  });
  document.addEventListener("close-dialog", ({ detail }) => finish(detail.message));

  // --- Secrets shown once: keys, recovery codes -----------------------------------------------------

  const saved = (form, word, sentence) => {
    form.elements.saved.checked = true;
    form.querySelector("[data-status]").textContent = word;
    say(sentence);
  };
  const FALLBACK = "Press Ctrl+C (Cmd+C on a Mac) to copy.";
  const copyLines = async (button) => {
    const lines = byId(button.dataset.copies);
    let word = "Copied";
    try {
      await navigator.clipboard.writeText(lines.textContent);
    } catch {
      getSelection().selectAllChildren(lines);
      word = FALLBACK;
    }
    button.nextElementSibling.textContent = word;
    say(word);
  };
  const copy = async ({ form, dataset }) => {
    const field = form.querySelector("textarea");
    try {
      await navigator.clipboard.writeText(field.value);
      saved(form, "Copied", dataset.copy);
    } catch {
      field.focus(); field.select();
      form.querySelector("[data-status]").textContent = FALLBACK;
    }
  };
  addEventListener("beforeunload", (event) => { if (unsaved()) event.preventDefault(); });
  document.addEventListener("focusin", ({ target }) => { if (target.matches("[data-unsaved] textarea")) target.select(); });

  // --- Clicks and submits --------------------------------------------------------------------------

  const clicks = {
    "[data-close]": leave,
    "[data-copy]": copy,
    "[data-copies]": copyLines,
    // A script cannot know whether the browser saves the file.
    "[data-download]": (link) => {
      link.closest("form").querySelector("[data-status]").textContent = "Download started";
      say(link.dataset.download);
    },
    "[data-back]": (button) => {
      const form = button.form;
      form.querySelector("[data-guard]").hidden = true;
      form.querySelector("[data-warning]").hidden = false;
      form.querySelector("[data-copy]").focus();
    },
    "[data-anyway]": ({ form }) => {
      form.elements.saved.checked = true;
      if (dialog()) finish();
      else form.submit();
    },
    "[data-dismiss]": (button) => {
      button.closest(".note").remove();
      byId("heading")?.focus();
    },
    "[data-next]": (button) => {
      const note = button.closest(".note");
      if (button.dataset.next === "ask") ask(note, true);
      else if (button.dataset.next === "login") location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
      else sendAgain(note);
    },
  };
  document.addEventListener("click", ({ target }) => {
    for (const [selector, act] of Object.entries(clicks)) {
      const found = target.closest?.(selector);
      if (found) act(found);
    }
  });
  document.addEventListener("change", ({ target }) => {
    const save = target.form?.querySelector("[data-save]");
    if (save) save.toggleAttribute("data-changed", !target.selectedOptions[0].defaultSelected);
  });
  // Buttons with their own formaction bypass htmx, so that the browser downloads the file.
  document.addEventListener("submit", (event) => { if (event.submitter?.hasAttribute("formaction")) event.stopPropagation(); }, true);
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-unsaved]")) return;
    if (unsaved()) {
      event.preventDefault();
      guard(event.target);
    } else if (dialog()) {
      event.preventDefault();
      finish();
    }
  });

  // --- Pending and failed requests ---------------------------------------------

  let failed;
  // The nonce of each submitted form; a repeated form has the same nonce.
  const nonces = new WeakMap();
  const nonceOf = (form) => {
    if (form.elements?.nonce) return form.elements.nonce.value;
    if (!nonces.has(form)) nonces.set(form, crypto.getRandomValues(new Uint32Array(6)).join("-"));
    return nonces.get(form);
  };
  document.addEventListener("htmx:config:request", ({ target, detail: { ctx: { request } } }) => {
    request.headers.ReflowPerson = document.documentElement.dataset.person || "";
    if (request.method === "POST") request.headers.ReflowForm = nonceOf(target);
  });
  const copyOf = (id) => byId(id).content.firstElementChild.cloneNode(true);
  const noteAtTop = (note) => {
    note.dataset.outcome = "";
    (dialog()?.querySelector(".dlg-body") || byId("api-keys-notes") || byId("heading")?.closest("section, .sheet") || byId("main")).prepend(note);
    note.scrollIntoView({ block: "nearest" });
  };
  const waiting = new WeakMap();
  const bar = Object.assign(document.createElement("div"), { className: "bar", ariaHidden: "true" });
  const busy = (form, is) => {
    const button = form.querySelector?.("[data-busy]");
    if (!button || is === (button.getAttribute("aria-disabled") === "true")) return;
    // `disabled` would drop the focus.
    if (is) button.setAttribute("aria-disabled", "true");
    else button.removeAttribute("aria-disabled");
    [button.textContent, button.dataset.busy] = [button.dataset.busy, button.textContent];
  };
  document.addEventListener("htmx:before:request", ({ target, detail }) => {
    document.querySelectorAll("[data-outcome]").forEach((note) => note.remove());
    busy(target, true);
    const timers = [setTimeout(() => document.body.append(bar), 150), setTimeout(() => say("Still working…"), 1000)];
    waiting.set(detail.ctx, { form: target, timers });
  });
  document.addEventListener("htmx:finally:request", ({ detail }) => {
    const { form, timers } = waiting.get(detail.ctx) || { timers: [] };
    timers.forEach(clearTimeout);
    bar.remove();
    for (const id of ["live", "dialog-live"]) if (byId(id)?.textContent === "Still working…") say("", id);
    if (form) busy(form, false);
    if (detail.ctx.response?.status < 500) nonces.delete(form);
  });
  const fail = ({ target, detail: { ctx } }) => {
    const response = ctx?.response;
    if (response && response.status < 500) return;
    failed = target;
    const note = copyOf("unreachable");
    if (response) explain(note, response.headers.get("ReflowError"));
    noteAtTop(note);
    if (ctx?.request.method === "POST") ask(note);
  };
  const explain = (note, words) => {
    const { heading, sentence, request_id } = words ? JSON.parse(words) : { heading: "Something went wrong on our side" };
    note.querySelector("h3").textContent = heading;
    if (!words) return;
    note.querySelector("[data-sentence]").textContent = sentence;
    const link = note.querySelector("[data-support]");
    link.textContent = `Contact support and quote ${request_id}`;
    link.href += request_id;
    link.hidden = false;
  };
  const sendAgain = (note) => {
    (failed.querySelector("[data-busy]") || byId("heading"))?.focus();
    note.remove();
    if (failed.matches("form")) failed.requestSubmit();
    else location.reload();
  };
  // The form was sent, but no response arrived: ask the server for the outcome, by the nonce.
  const ask = async (note, thenSend) => {
    const words = note.querySelector("[data-result]");
    const next = note.querySelector("[data-next]");
    next.hidden = true;
    const unknown = "The answer did not arrive, so it is not known whether this was done.";
    words.textContent = `${unknown} Asking Reflow…`;
    let outcome = null, [advice, label, todo] = [unknown, "Try again", "ask"];
    try {
      const answer = await fetch(`/account/outcome?nonce=${nonceOf(failed)}`);
      // The lost response may have had the new value of the session.
      if (answer.redirected) [advice, label, todo] = [`${unknown} Log in again to see.`, "Log in", "login"];
      else outcome = await answer.json();
    } catch { /* The outcome is still unknown. */ }
    if (outcome?.done) return recover(outcome.key);
    if (outcome?.done === false && thenSend) return sendAgain(note);
    if (outcome?.done === false) [advice, label, todo] = ["Reflow has not done it. Try again; it is done once at most.", "Try again", "again"];
    [words.textContent, next.textContent, next.dataset.next] = [advice, label, todo];
    next.hidden = false; if (thenSend) next.focus();
  };
  const recover = (key) => {
    const keys = byId("api-keys-table")?.dataset.keys;
    if (key && keys) return htmx.ajax("GET", `${keys}/${key}/replacement`, { target: "#dialog-panel", headers: { "HX-Target": "div#dialog-panel" } });
    if (key) return location.assign(`/account/api-keys/${key}/replacement`);
    history.replaceState({ recovered: true }, "", failed.dataset.done || location.href);
    location.reload();
  };
  if (history.state?.recovered) {
    history.replaceState(null, "");
    noteAtTop(copyOf("recovered"));
    byId("heading")?.focus({ preventScroll: true });
    say("It was done");
  }
  for (const name of ["htmx:response:error", "htmx:error"]) document.addEventListener(name, fail);

  // --- Elements that need a script ------------------------------------------------------

  // A form that needs another script names it in data-script.
  const load = (address) => {
    if ([...document.scripts].some((script) => script.getAttribute("src") === address)) return;
    document.head.append(Object.assign(document.createElement("script"), { src: address }));
  };
  const enhance = () => {
    for (const form of document.querySelectorAll("[data-script]")) load(form.dataset.script);
    for (const part of document.querySelectorAll("[data-copy][hidden], [data-copies][hidden], [data-dismiss][hidden]")) part.hidden = false;
    for (const part of document.querySelectorAll("[data-without-script]")) part.remove();
    // The guard replaces the browser's check, which would mark the checkbox as invalid from the start.
    for (const form of document.querySelectorAll("[data-unsaved]")) form.elements.saved.required = false;
  };
  enhance();
  copyButton()?.focus();
})();
