// Replaces the static charts by interactive ones, each when it comes near the screen. Where that
// fails, and on paper, the static one stays.
(() => {
  "use strict";
  if (typeof vegaEmbed !== "function") return;
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const narrow = 480; // pixels of a chart
  const wall = 1900; // of a window

  // The library shows its tips in the element of this name. Like the drawings it is for the eye
  // alone: the same figures are in the tables.
  const tip = document.createElement("div");
  tip.id = "vg-tooltip-element";
  tip.className = "vg-tooltip";
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);

  // {"columns": {name: [...] or {"of": texts, "at": places}}} as rows again.
  const unfold = (part) => {
    if (Array.isArray(part)) return part.map(unfold);
    if (part === null || typeof part !== "object") return part;
    if (part.columns && !part.values && typeof part.columns === "object") {
      const columns = Object.entries(part.columns).map(([name, column]) => [
        name,
        Array.isArray(column) ? column : column.at.map((place) => column.of[place]),
      ]);
      return {
        values: columns[0][1].map((_, row) =>
          Object.fromEntries(columns.map(([name, column]) => [name, column[row]])),
        ),
      };
    }
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, unfold(value)]));
  };

  const draw = async (figure) => {
    const plot = figure.querySelector(".plot");
    const still = figure.querySelector(".static");
    const live = figure.querySelector(".live");
    const spec = unfold(specs[figure.id]);
    spec.width = "container";
    spec.config.padding.left = 0; // here labels are measured in the font that they are shown in
    live.hidden = false;
    if (live.clientWidth < narrow) {
      spec.config.axis.labelLimit = 112;
      spec.config.legend.columns = 2;
    }
    if (window.innerWidth >= wall) {
      spec.height *= 1.2;
      for (const [part, size] of [["axis", "labelFontSize"], ["axis", "titleFontSize"],
        ["legend", "labelFontSize"], ["text", "fontSize"]]) spec.config[part][size] *= 1.2;
    }
    try {
      await vegaEmbed(live.firstElementChild, spec, {
        actions: false,
        renderer: "svg",
        ast: true,
        tooltip: { disableDefaultStyle: true },
      });
    } catch (error) {
      live.hidden = true;
      throw error;
    }
    still.classList.add("replaced");
    figure.classList.add("is-live");
    plot.removeAttribute("tabindex");
  };

  // A chart that is drawn above changes in height, and moves what was just gone to. So it is
  // gone to again, until they scroll themselves.
  let target = null;
  let until = 0;
  const goTo = () => {
    until = performance.now() + 4000;
    target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
  };
  const settle = () => {
    if (performance.now() < until) target?.scrollIntoView({ behavior: "instant", block: "start" });
  };
  for (const moved of ["wheel", "touchmove", "keydown", "pointerdown"])
    addEventListener(moved, () => (target = null), { passive: true });
  addEventListener("hashchange", goTo);
  goTo();

  const figures = document.querySelectorAll("figure.chart");
  if (!("IntersectionObserver" in window)) {
    figures.forEach(draw);
    return;
  }
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        observer.unobserve(entry.target);
        draw(entry.target).then(settle);
      }
    },
    { rootMargin: "800px" },
  );
  figures.forEach((figure) => observer.observe(figure));
})();
