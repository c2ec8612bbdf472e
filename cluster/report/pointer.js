// Shows what a mark stands for where the pointer is on it, and marks the same trial in all charts.
(() => {
  const told = JSON.parse(document.getElementById("tips").textContent);
  const tip = document.getElementById("tip");
  let lit = [];
  const dark = () => { lit.forEach((mark) => mark.classList.remove("over")); lit = []; tip.hidden = true; };
  const show = (event) => {
    const mark = event.target.closest && event.target.closest("[data-t],[data-tip]");
    const number = mark && mark.getAttribute("data-t");
    const text = mark && (mark.getAttribute("data-tip") || told[number]);
    dark();
    if (!text) return;
    if (number) lit = [...document.querySelectorAll(`svg [data-t="${Number(number)}"]`)];
    lit.forEach((each) => each.classList.add("over"));
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, event.clientX + 14), document.documentElement.clientWidth - box.width - 8);
    const below = event.clientY + 16 + box.height < window.innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, below ? event.clientY + 16 : event.clientY - box.height - 12)}px`;
  };
  document.addEventListener("pointerover", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("scroll", dark, {passive: true});
})();
