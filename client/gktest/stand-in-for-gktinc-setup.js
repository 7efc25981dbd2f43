// This script stands in for the vendor's, gktinc-setup-latest.js, and solves nothing.
// It fills gktinc_solution with Base64 that only an emulator of the service (package
// gktest) accepts. The real service rejects it.
"use strict";

function gktinc_init(config, form, input, verbose) {
  if (typeof input === "string") input = document.getElementById(input) ?? document.getElementsByName(input)[0];
  form ??= input?.form ?? document.currentScript?.closest("form") ?? document.querySelector("form[method=post i]");

  const note = document.createElement("p");
  note.id = "gktinc-stand-in";
  note.textContent = "Emulator: a stand-in replaces GKTinc's script, and every form counts as solved.";
  note.style.cssText = "margin: 1rem 0; padding: .5rem; border: 2px dashed #b00020; font: .875rem/1.4 system-ui, sans-serif";
  form.append(note);

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
