// Light and dark: what the machine prefers, until someone says otherwise on this page.

const KEPT = "bike_demand.theme";
const machine = matchMedia("(prefers-color-scheme: dark)");

function chosen() {
  const theme = localStorage.getItem(KEPT);
  return theme === "light" || theme === "dark" ? theme : null;
}

export const isDark = () => (chosen() ?? (machine.matches ? "dark" : "light")) === "dark";

/** Show the theme, let `button` change it, and call `changed` whenever it does. */
export function watchTheme(button, changed) {
  const show = () => {
    const theme = chosen();
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    button.title = button.getAttribute("aria-label");
  };
  button.addEventListener("click", () => {
    localStorage.setItem(KEPT, isDark() ? "light" : "dark");
    show();
    changed();
  });
  machine.addEventListener("change", () => {
    show();
    changed();
  });
  show();
}
