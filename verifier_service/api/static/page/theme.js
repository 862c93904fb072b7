// Light or dark theme. This is a classic script, not a module: it has to run before the first paint, or the page would
// flash. `main.js` installs the button.
(() => {
  const NAMES = ["auto", "light", "dark"];
  const SIGNS = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };

  const kept = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is disabled: follow the system
    }
  };

  const apply = (name) => {
    document.documentElement.dataset.theme = name;
    try {
      localStorage.setItem("theme", name);
    } catch {
      // storage is disabled: the choice lasts until the page is closed
    }
  };

  apply(NAMES.includes(kept()) ? kept() : "auto");

  window.theme = {
    /** Make a button switch to the next theme. */
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
