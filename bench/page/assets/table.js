// Sorting and filtering of the tables of all cells. Without this script they are plain tables.
(() => {
  "use strict";
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  for (const section of document.querySelectorAll("section.cells")) {
    const table = section.querySelector("table.all");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const headings = [...table.tHead.rows[0].cells];
    const status = section.querySelector(".count");
    const filters = [...section.querySelectorAll("[data-filter]")];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLocaleLowerCase()]));
    let sorted = "";

    const say = () => {
      const shown = rows.filter((row) => !row.hidden).length;
      const many = rows.length === 1 ? "cell" : "cells";
      status.textContent = `Showing ${shown} of ${rows.length} ${many}${sorted}`;
    };

    const filter = () => {
      const wanted = Object.fromEntries(filters.map((one) => [one.dataset.filter, one.value]));
      const words = wanted.text.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        row.hidden =
          (wanted.workload !== "" && row.dataset.workload !== wanted.workload) ||
          (wanted.verdict !== "" && row.dataset.verdict !== wanted.verdict) ||
          !words.every((word) => texts.get(row).includes(word));
      }
      say();
    };

    // What is absent comes last, whichever way the others are sorted.
    const compare = (column, direction) => (one, other) => {
      const [a, b] = [one.cells[column], other.cells[column]];
      const numeric = headings[column].classList.contains("number");
      if (numeric || a.dataset.sort !== undefined || b.dataset.sort !== undefined) {
        const [x, y] = [a.dataset.sort, b.dataset.sort];
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return direction * (Number(x) - Number(y));
      }
      const [x, y] = [a.textContent, b.textContent];
      if (x === "" || y === "") return (x === "") - (y === "");
      return direction * collator.compare(x, y);
    };

    const sort = (column) => {
      const heading = headings[column];
      const before = heading.getAttribute("aria-sort");
      const after = { none: "ascending", ascending: "descending", descending: "none" }[before];
      for (const one of headings) one.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", after);
      const order = [...rows];
      if (after !== "none") order.sort(compare(column, after === "ascending" ? 1 : -1));
      body.append(...order);
      const name = heading.textContent.trim();
      sorted = after === "none" ? "" : `, sorted by ${name}, ${after}`;
      say();
    };

    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(column));
    });
    for (const one of filters) one.addEventListener("input", filter);
    section.querySelector(".filter").hidden = false;
    filter();
  }
})();
