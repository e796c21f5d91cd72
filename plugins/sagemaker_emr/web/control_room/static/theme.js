// Before the first paint: light or dark, and the very colours of the Airflow around this page.
"use strict";
(() => {
  const tokens = [
    "bg", "bg-subtle", "bg-muted", "fg", "fg-muted", "border", "border-emphasized",
    "brand-solid", "brand-fg", "brand-muted", "brand-focus-ring",
    ...["success", "failed", "running", "queued", "warning", "gray"].flatMap((name) =>
      [`${name}-solid`, `${name}-fg`, `${name}-muted`, `${name}-subtle`]),
  ].map((name) => `--chakra-colors-${name}`);
  const own = document.documentElement;

  function around() {
    try {
      const found = window.parent.document;
      return window.parent === window ? null : found.documentElement;
    } catch {
      return null; // framed by another site: frame-ancestors forbids it
    }
  }

  function chosen(airflow) {
    if (airflow) return airflow.classList.contains("dark") ? "dark" : "light";
    const stored = localStorage.getItem("theme");
    if (stored === "dark" || stored === "light") return stored;
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  function apply() {
    const airflow = around();
    own.dataset.theme = chosen(airflow);
    if (!airflow) return;
    const style = window.parent.getComputedStyle(airflow);
    for (const token of tokens) {
      const value = style.getPropertyValue(token).trim();
      if (value) own.style.setProperty(token, value);
    }
  }

  apply();
  const airflow = around();
  if (airflow) new MutationObserver(apply).observe(airflow, { attributes: true, attributeFilter: ["class"] });
  addEventListener("storage", apply);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
})();
