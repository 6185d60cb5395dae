"use strict";

// The page lives in a frame of Airflow's UI: it takes over the theme from there, and hands links to other pages back.
(() => {
  const root = document.documentElement;
  const airflow = frameAround();
  // Airflow may be themed by its administrator; where a name is unknown, the style sheet's own colour stays.
  const TOKENS = {
    "--page": "--chakra-colors-bg",
    "--sunken": "--chakra-colors-bg-muted",
    "--text": "--chakra-colors-fg",
    "--quiet": "--chakra-colors-fg-muted",
    "--link": "--chakra-colors-fg-info",
  };

  function frameAround() {
    try {
      return window.parent !== window && window.parent.document ? window.parent : null;
    } catch {
      return null; // another origin
    }
  }

  function chosenTheme() {
    if (airflow) {
      return ["dark", "light"].find((theme) => airflow.document.documentElement.classList.contains(theme));
    }
    try {
      return ["dark", "light"].find((theme) => theme === window.localStorage.getItem("theme"));
    } catch {
      return undefined; // the browser keeps no storage
    }
  }

  // Without a choice the style sheet goes by the system's.
  function follow() {
    const theme = chosenTheme();
    if (theme) {
      root.dataset.theme = theme;
    } else {
      delete root.dataset.theme;
    }
    if (airflow) {
      const style = airflow.getComputedStyle(airflow.document.documentElement);
      for (const [ours, airflows] of Object.entries(TOKENS)) {
        const value = style.getPropertyValue(airflows).trim();
        if (value) {
          root.style.setProperty(ours, value);
        } else {
          root.style.removeProperty(ours);
        }
      }
    }
  }

  follow();
  if (!airflow) {
    return;
  }
  new MutationObserver(follow).observe(airflow.document.documentElement, { attributeFilter: ["class"] });

  // A frame in a sandbox may not steer the page around it, and Airflow within Airflow is of no use.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-leaves]");
    if (link) {
      event.preventDefault();
      const outside = airflow.document.createElement("a");
      outside.href = link.href;
      outside.click();
    }
  });
})();
