// Light or dark: set before anything is painted, so this one is no module. The button is given its part in `main.js`.
(() => {
  const NAMES = ["auto", "light", "dark"];
  const SIGNS = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };

  const kept = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is switched off: the system's own holds
    }
  };

  const apply = (name) => {
    document.documentElement.dataset.theme = name;
    try {
      localStorage.setItem("theme", name);
    } catch {
      // it holds until the page is left
    }
  };

  apply(NAMES.includes(kept()) ? kept() : "auto");

  window.theme = {
    /** Have a button go from one theme to the next. */
    install(button) {
      const show = () => {
        const name = document.documentElement.dataset.theme;
        button.textContent = SIGNS[name];
        button.setAttribute("aria-label", `Theme: ${name}`);
      };
      button.addEventListener("click", () => {
        apply(NAMES[(NAMES.indexOf(document.documentElement.dataset.theme) + 1) % NAMES.length]);
        show();
      });
      show();
    },
  };
})();
