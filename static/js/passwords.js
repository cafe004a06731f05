/* "Show password": shows the button, and hides the password again before the form is sent. */
"use strict";
(() => {
  const enhance = () => {
    for (const button of document.querySelectorAll("[data-shows][hidden]")) {
      const field = document.getElementById(button.getAttribute("aria-controls"));
      const show = (is) => {
        field.type = is ? "text" : "password";
        button.setAttribute("aria-pressed", String(is));
      };
      button.addEventListener("click", () => show(field.type === "password"));
      field.form.addEventListener("submit", () => show(false));
      button.hidden = false;
    }
  };
  document.addEventListener("htmx:after:swap", enhance);
  enhance();
})();
