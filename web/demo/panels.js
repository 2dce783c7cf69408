// What stands beside the board on wide screens, and comes up from below on narrow ones: one panel at a time.

const TABS = ["activity", "wire", "lab", "use"];
const WIDE = matchMedia("(min-width: 900px)");

const $ = (id) => document.getElementById(id);

/** Lets the tabs work; `tabs` at the foot open the rail as a sheet. */
export function openPanels() {
  const rail = $("rail");
  let opener = null;

  const select = (name, focus = false) => {
    for (const other of TABS) {
      const tab = $(`tab-${other}`);
      tab.ariaSelected = String(other === name);
      tab.tabIndex = other === name ? 0 : -1;
      $(`panel-${other}`).hidden = other !== name;
    }
    if (focus) $(`tab-${name}`).focus();
  };
  const open = (name, from) => {
    opener = from;
    rail.dataset.open = "yes";
    select(name, true);
  };
  const close = () => {
    if (WIDE.matches || !rail.dataset.open) return;
    delete rail.dataset.open;
    opener?.focus();
  };

  for (const [at, name] of TABS.entries()) {
    const tab = $(`tab-${name}`);
    tab.addEventListener("click", () => select(name));
    tab.addEventListener("keydown", ({ key }) => {
      const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
      if (key !== "ArrowLeft" && key !== "ArrowRight") return;
      select(TABS[(at + (key === forward ? 1 : TABS.length - 1)) % TABS.length], true);
    });
    $(`open-${name}`).addEventListener("click", ({ currentTarget }) => open(name, currentTarget));
  }
  $("rail-close").addEventListener("click", close);
  rail.addEventListener("keydown", ({ key }) => key === "Escape" && close());
  select("activity");
}
