// Light and dark: what the machine prefers, until someone says otherwise on this page.

const KEPT = "bike_demand.theme";
const machine = matchMedia("(prefers-color-scheme: dark)");

let unkept = null; // where a browser keeps nothing

function chosen() {
  let theme = unkept;
  try {
    theme = localStorage.getItem(KEPT);
  } catch {
    // What was chosen holds until the page is left.
  }
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
    unkept = isDark() ? "light" : "dark";
    try {
      localStorage.setItem(KEPT, unkept);
    } catch {
      // Likewise.
    }
    show();
    changed();
  });
  machine.addEventListener("change", () => {
    show();
    changed();
  });
  show();
}
