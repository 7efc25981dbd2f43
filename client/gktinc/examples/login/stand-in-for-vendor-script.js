// This is a stand-in for the vendor's script, gktinc-setup-latest.js. It is not
// that script, and it solves nothing: what it puts into gktinc_solution is Base64
// that only the emulator (package gktest) accepts. The service refuses it.
"use strict";

function gktinc_init(config, form, input, verbose) {
  if (typeof input === "string") input = document.getElementById(input);
  form ??= input.form;
  form.addEventListener("submit", () => {
    if (window.gktinc_blocked) return;
    let field = form.elements.namedItem("gktinc_solution");
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = "gktinc_solution";
      form.append(field);
    }
    field.value = btoa(JSON.stringify({ standIn: true, once: config.once, time: config.time, url: config.url }));
    if (verbose) console.log("gktinc_solution", field.value);
  });
}
