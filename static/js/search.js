/* Moves a secret from the search field, whose value would be in the URL, to the key look-up, which uses POST. */
"use strict";
function guard(event) {
  const form = event.target.form ?? event.target;
  if (event.type === "input" && event.target.name !== "q") return;
  const { dataset, elements } = form;
  const safe = document.getElementById(dataset.secretsTo);
  // Inside a word, 20 more characters must follow: "surfs_up" is a name.
  if (safe && event.type === "input" && elements.q.value.length === 1) event.stopPropagation();
  if (!safe || !/\brf[ks]_|rf[ks]_\w{20}/i.test(elements.q.value)) return;
  event.preventDefault();
  event.stopPropagation();
  safe.value = elements.q.value;
  form.reset();
  safe.focus();
  document.getElementById(`${safe.id}-moved`).textContent = dataset.moved;
}
for (const kind of ["submit", "input"]) document.addEventListener(kind, guard, true);
