/* Moves a secret pasted into a search, which would be in the URL, to the key look-up, which is posted. */
"use strict";
document.addEventListener("submit", (event) => {
  const { dataset, elements } = event.target;
  const safe = document.getElementById(dataset.secretsTo);
  // After other letters a secret needs a longer tail: "surfs_up" is a name.
  if (!safe || !/\brf[ks]_|rf[ks]_\w{20}/i.test(elements.q.value)) return;
  event.preventDefault();
  event.stopPropagation();
  safe.value = elements.q.value;
  event.target.reset();
  safe.focus();
  document.getElementById(`${safe.id}-moved`).textContent = dataset.moved;
}, true);
