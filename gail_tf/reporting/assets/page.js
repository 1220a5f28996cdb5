"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg", WIDTH = 480, HEIGHT = 300;
  const BOX = { left: 52, right: 26, top: 10, bottom: 40 };
  // Okabe and Ito's colours, which the colour-blind tell apart, on light and dark; then again with dashes.
  const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d00", "#7f7f7f"];
  const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
  const look = (group) => ({ color: COLORS[group % 8], dash: DASHES[Math.floor(group / 8) % 4] });
  const make = (tag, attributes, parent, text) => {
    const node = document.createElement(tag);
    return finish(node, attributes, parent, text);
  };
  const draw = (tag, attributes, parent, text) => finish(document.createElementNS(SVG, tag), attributes, parent, text);
  const finish = (node, attributes, parent, text) => {
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    if (text !== undefined) node.textContent = text;
    if (parent) parent.append(node);
    return node;
  };
  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 999500) return +(value / 1e6).toPrecision(3) + "M";
    if (size >= 1e4) return +(value / 1e3).toPrecision(3) + "k";
    return size && size < 1e-3 ? value.toExponential(1) : String(+value.toPrecision(3));
  };

  // Points [x, y] of a metric of a run; what was not measured is left out.
  const curve = (run, metric, axis) => {
    const y = run.metrics[metric] || [], x = axis === "seconds" ? run.seconds : run.steps;
    const points = y.map((value, i) => [x[i], value]).filter(([a, b]) => a !== null && b !== null);
    // What takes no steps, as cloning does, is a level: where it came to, as curves.png has it.
    return points.every(([a]) => a === 0) ? points.slice(-1) : points;
  };
  const at = (points, x) => {
    const high = points.findIndex((point) => point[0] >= x);
    if (high < 0) return points[points.length - 1][1];
    if (high === 0 || points[high][0] === x) return points[high][1];
    const [a, b] = [points[high - 1], points[high]];
    return a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0]);
  };
  const quantile = (sorted, share) => {
    const place = share * (sorted.length - 1), low = Math.floor(place), rest = place - low;
    return sorted[low] + (rest ? rest * (sorted[low + 1] - sorted[low]) : 0);
  };
  // Median and quartiles over the runs on the range that all cover, as curves.png has them.
  const summary = (curves) => {
    if (curves.length === 1) return curves[0].map(([x, y]) => [x, y, y, y]);
    const start = Math.max(...curves.map((c) => c[0][0])), end = Math.min(...curves.map((c) => c[c.length - 1][0]));
    const count = end > start ? 120 : end === start ? 1 : 0, points = [];
    for (let i = 0; i < count; i++) {
      const x = start + (count > 1 ? (end - start) * i / (count - 1) : 0);
      const y = curves.map((c) => at(c, x)).sort((a, b) => a - b);
      points.push([x, quantile(y, 0.5), quantile(y, 0.25), quantile(y, 0.75)]);
    }
    return points;
  };
  // Lines of a panel: {name, look, points, band, thin}.
  const linesOf = (groups, metric, axis, eachSeed) => groups.flatMap(({ group, index }) => {
    const runs = group.runs.map((i) => data.runs[i]).filter((run) => curve(run, metric, axis).length);
    if (!runs.length) return [];
    const whole = runs.filter((run) => !run.failure), lines = [];
    if (whole.length) {
      const curves = whole.map((run) => curve(run, metric, axis));
      lines.push({ name: group.label, look: look(index), points: summary(curves), band: whole.length > 2 });
    }
    for (const run of eachSeed || !whole.length ? runs : runs.filter((one) => one.failure))
      lines.push({ name: `${group.label}${run.seed === null ? "" : `, seed ${run.seed}`}${run.failure ? ` (${run.failure})` : ""}`, look: look(index), points: curve(run, metric, axis), thin: true });
    return lines.filter((line) => line.points.length);
  });
  const ticks = (low, high) => {
    const rough = (high - low) / 5 || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough), found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(+value.toPrecision(12));
    return found;
  };

  const panel = (parent, title, lines, metric, axis) => {
    const figure = make("figure", {}, parent);
    make("figcaption", {}, figure, title);
    const isReturn = metric === "evaluation/normalized_return";
    const all = lines.flatMap((line) => line.points.flatMap((p) => p.slice(1))).concat(isReturn ? [0, 1] : []);
    let [low, high] = [Math.min(...all), Math.max(...all)];
    if (isReturn) [low, high] = [Math.max(low, -1), Math.min(high, 2)];
    const pad = (high - low || Math.abs(high) || 1) * 0.05;
    [low, high] = [low - pad, high + pad];
    const end = Math.max(...lines.map((line) => line.points[line.points.length - 1][0])) || 1;
    const toX = (x) => BOX.left + x / end * (WIDTH - BOX.left - BOX.right);
    const toY = (y) => HEIGHT - BOX.bottom - (Math.min(Math.max(y, low), high) - low) / (high - low) * (HEIGHT - BOX.top - BOX.bottom);
    const axisName = axis === "seconds" ? "seconds" : data.progress;
    const finals = lines.filter((line) => !line.thin).map((line) => `${line.name} ends at ${short(line.points[line.points.length - 1][1])}`);
    const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "panel", tabindex: 0, role: "img", "aria-describedby": "hint", "aria-label": `${title}: ${data.names[metric]} against ${axisName}. ${finals.join("; ")}` }, figure);
    for (const value of ticks(low, high)) {
      draw("line", { class: "grid", x1: BOX.left, x2: WIDTH - BOX.right, y1: toY(value), y2: toY(value) }, svg);
      draw("text", { x: BOX.left - 6, y: toY(value) + 4, "text-anchor": "end" }, svg, short(value));
    }
    for (const value of ticks(0, end)) draw("text", { x: toX(value), y: HEIGHT - BOX.bottom + 16, "text-anchor": "middle" }, svg, short(value));
    draw("text", { x: (WIDTH + BOX.left) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, svg, axisName);
    draw("line", { class: "axis", x1: BOX.left, x2: WIDTH - BOX.right, y1: HEIGHT - BOX.bottom, y2: HEIGHT - BOX.bottom }, svg);
    if (isReturn) draw("line", { class: "level", x1: BOX.left, x2: WIDTH - BOX.right, y1: toY(1), y2: toY(1) }, svg);
    for (const line of lines) {
      const stroke = { stroke: line.look.color, "stroke-width": line.thin ? 1 : 2.2, "stroke-opacity": line.thin ? 0.6 : 1, "stroke-dasharray": line.thin ? "2 2" : line.look.dash };
      const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join("");
      if (line.band) {
        const upper = line.points.map((p) => [p[0], p[3]]), lower = line.points.map((p) => [p[0], p[2]]).reverse();
        draw("path", { d: path([...upper, ...lower]).replace(/(?!^)M/g, "L") + "Z", fill: line.look.color, "fill-opacity": 0.15 }, svg);
      }
      if (line.points.length === 1) {
        const [x, y] = line.points[0].map((value, i) => (i ? toY(value) : toX(value)));
        if (line.points[0][0] === 0) draw("line", { class: "curve", x1: x, x2: WIDTH - BOX.right, y1: y, y2: y, ...stroke }, svg);
        else draw("circle", { cx: x, cy: y, r: 3, fill: line.look.color }, svg);
      }
      draw("path", { class: "curve", d: path(line.points), fill: "none", ...stroke }, svg);
    }
    reading(svg, lines, toX, end, axisName);
  };

  // Hover, touch and arrow keys: a cursor, and the value of every line there.
  const tip = document.getElementById("tip"), spoken = document.getElementById("spoken");
  const reading = (svg, lines, toX, end, axisName) => {
    const cursor = draw("line", { class: "cursor", y1: BOX.top, y2: HEIGHT - BOX.bottom, visibility: "hidden" }, svg);
    let place = end;
    const show = (x, left, top, speak) => {
      place = Math.min(Math.max(x, 0), end);
      const values = lines.filter(({ points }) => points[points.length - 1][0] === 0 || place >= points[0][0] - end / 50 && place <= points[points.length - 1][0] + end / 50)
        .map((line) => [at(line.points, place), line.name]).sort((a, b) => b[0] - a[0]).map(([y, name]) => `${short(y)}  ${name}`);
      const text = [`${short(place)} ${axisName}`, ...values.slice(0, 15)].join("\n");
      finish(cursor, { x1: toX(place), x2: toX(place), visibility: "visible" });
      tip.textContent = text;
      tip.hidden = false;
      tip.style.left = `${Math.min(left, scrollX + innerWidth - tip.offsetWidth - 12)}px`;
      tip.style.top = `${top}px`;
      if (speak) spoken.textContent = text;
    };
    const hide = () => { tip.hidden = true; cursor.setAttribute("visibility", "hidden"); };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), x = (event.clientX - box.left) / box.width * WIDTH;
      show((x - BOX.left) / (WIDTH - BOX.left - BOX.right) * end, event.pageX + 14, event.pageY + 14, false);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -end / 40, ArrowRight: end / 40, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") hide();
      if (!(event.key in moves)) return;
      event.preventDefault();
      const box = svg.getBoundingClientRect(), x = Math.min(Math.max(place + moves[event.key], 0), end);
      show(x, scrollX + box.left + toX(x) / WIDTH * box.width + 12, scrollY + box.top + 12, true);
    });
  };

  const panels = document.getElementById("panels"), form = document.getElementById("choices");
  const groups = data.groups.map((group, index) => ({ group, index: data.labels.indexOf(group.label) }));
  const chosen = { metric: data.metrics[0], axis: "steps", seeds: false, hidden: new Set() };
  const redraw = () => {
    panels.replaceChildren();
    const one = data.runs.length === 1;
    for (const task of data.tasks) for (const metric of one ? data.metrics : [chosen.metric]) {
      const here = groups.filter(({ group }) => group.task === task && !chosen.hidden.has(group.label));
      const lines = linesOf(here, metric, chosen.axis, chosen.seeds);
      if (lines.length) panel(panels, one ? data.names[metric] : task, lines, metric, chosen.axis);
    }
    if (!panels.children.length) make("p", {}, panels, "Nothing to draw: no run that is shown has this metric.");
  };
  const choice = (name, label, options) => {
    const outer = make("label", {}, form, label + " "), select = make("select", { name }, outer);
    for (const [value, text] of options) make("option", { value }, select, text);
    select.addEventListener("change", () => { chosen[name] = select.value; redraw(); });
  };
  const box = (parent, text, checked, changed, style) => {
    const outer = make("label", {}, parent), input = make("input", { type: "checkbox" }, outer);
    input.checked = checked;
    input.addEventListener("change", () => { changed(input.checked); redraw(); });
    if (style) {
      const sample = draw("svg", { width: 26, height: 8, "aria-hidden": true }, outer);
      draw("line", { x1: 0, x2: 26, y1: 4, y2: 4, stroke: style.color, "stroke-width": 3, "stroke-dasharray": style.dash }, sample);
    }
    outer.append(text);
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  if (data.runs.length > 1) choice("metric", "Metric", data.metrics.map((name) => [name, data.names[name]]));
  choice("axis", "Against", [["steps", data.progress], ["seconds", "seconds"]]);
  if (data.runs.length > 1) {
    box(form, "each seed", false, (on) => { chosen.seeds = on; });
    const legend = make("fieldset", {}, form);
    make("legend", {}, legend, "Shown");
    data.labels.forEach((label, i) => box(legend, label, true, (on) => chosen.hidden[on ? "delete" : "add"](label), look(i)));
  }
  redraw();

  // A run's own curve, when it is opened for the first time.
  for (const details of document.querySelectorAll("details[data-run]")) details.addEventListener("toggle", () => {
    const place = details.querySelector(".panels"), run = data.runs[+details.dataset.run];
    if (!details.open || !place || place.children.length) return;
    for (const metric of data.metrics) {
      const points = curve(run, metric, "steps");
      if (points.length) panel(place, data.names[metric], [{ name: run.name, look: look(0), points }], metric, "steps");
    }
  });
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  // A click on a title sorts by it, another one the other way round; cells without a value stay last.
  for (const table of document.querySelectorAll("table.sorts")) table.querySelectorAll("th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const title = button.closest("th"), down = title.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      title.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.value, isNumber = title.classList.contains("number");
      const compare = (a, b) => isNumber ? a - b : a.localeCompare(b, "en", { numeric: true });
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");
        return down ? compare(y, x) : compare(x, y);
      });
      body.replaceChildren(...rows);
    });
  });
  for (const button of document.querySelectorAll("button.copy")) button.addEventListener("click", () => {
    const text = button.nextElementSibling, range = document.createRange();
    range.selectNodeContents(text);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    if (navigator.clipboard) navigator.clipboard.writeText(text.textContent).then(() => { button.textContent = "Copied"; }, () => {});
  });
})();
