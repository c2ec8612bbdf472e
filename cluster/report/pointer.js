// Shows what a mark stands for where the pointer is on it or near it, and lights all that belongs to the same trial or method.
// A method's key chooses it: its bands stay, and all other methods step back.
(() => {
  const told = JSON.parse(document.getElementById("tips").textContent);
  const tip = document.getElementById("tip");
  const near = [0, 1, 2, 3, 4, 5, 6, 7].map((turn) => [8 * Math.cos(turn * Math.PI / 4), 8 * Math.sin(turn * Math.PI / 4)]);
  let lit = [], last = null;
  const sameAs = (mark) => [...document.querySelectorAll(`svg [data-t="${Number(mark)}"],button[data-t="${Number(mark)}"]`)];
  const dark = () => { lit.forEach((mark) => mark.classList.remove("over")); lit = []; tip.hidden = true; last = null; };
  const markAt = (event) => {
    const of = (element) => element && element.closest && element.closest("[data-t],[data-tip]");
    const found = of(event.target);
    if (found || !event.target.closest || !event.target.closest("svg.chart")) return found;
    for (const [x, y] of near) {
      const mark = of(document.elementFromPoint(event.clientX + x, event.clientY + y));
      if (mark) return mark;
    }
    return null;
  };
  const show = (event) => {
    const mark = markAt(event);
    const number = mark && mark.getAttribute("data-t");
    const text = mark && (mark.getAttribute("data-tip") || told[number]);
    if (mark !== last || !text) dark();
    if (!mark || (!text && number === null)) return;
    if (mark !== last) {
      lit = number === null ? [] : sameAs(number);
      lit.forEach((each) => each.classList.add("over"));
      last = mark;
    }
    if (!text) return;
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, event.clientX + 14), document.documentElement.clientWidth - box.width - 8);
    const below = event.clientY + 16 + box.height < window.innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, below ? event.clientY + 16 : event.clientY - box.height - 12)}px`;
  };
  const choose = (event) => {
    const mark = markAt(event);
    const of = mark && mark.closest("button[data-t],g.series");
    if (!of) return;
    const chosen = !of.classList.contains("chosen");
    sameAs(of.getAttribute("data-t")).forEach((each) => {
      each.classList.toggle("chosen", chosen);
      if (each.tagName === "BUTTON") each.setAttribute("aria-pressed", String(chosen));
    });
    document.body.classList.toggle("choosing", document.querySelector(".chosen") !== null);
  };
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  document.addEventListener("click", choose);
  document.addEventListener("scroll", dark, {passive: true});
})();
