/* A search stands in its address: a secret that was pasted into it goes to the field that is posted instead. */
"use strict";
document.addEventListener("submit", (event) => {
  const { dataset, elements } = event.target;
  const safe = document.getElementById(dataset.secretsTo);
  // With a word before it, it takes more than a short tail: "surfs_up" is a name.
  if (!safe || !/\brf[ks]_|rf[ks]_\w{20}/i.test(elements.q.value)) return;
  event.preventDefault();
  event.stopPropagation();
  safe.value = elements.q.value;
  event.target.reset();
  safe.focus();
  document.getElementById(`${safe.id}-moved`).textContent = dataset.moved;
}, true);
