"use strict";
// The gallery. The index says what every render is; its pictures wait as text in blocks and are read when they come into
// sight, and only what is in sight is in the document.
(() => {
  const index = JSON.parse(document.getElementById("index").textContent);
  const COVERED = 3, HIDDEN = 2;
  const LAYERS = { joints: true, mask: false }; // whether each is shown at first
  const AHEAD = 2; // rows above and below what is seen
  const GAP = 10, TILE = 300, KEPT_BLOCKS = 64;
  const $ = (id) => document.getElementById(id);
  const form = $("filters"), gallery = $("gallery"), frame = $("frame"), large = $("large");

  const words = (name) => name.replaceAll("_", " ");
  const kindOf = (joint) => joint.replace(/^(right|left)_/, "");
  const kinds = [...new Set(index.joints.map(kindOf))];
  const renders = index.renders.map(([id, person, occluder, covered, quality, level, method], place) => ({
    place, id, person, occluder, covered, quality, level, method,
    kinds: new Set(covered.map((joint) => kindOf(index.joints[joint]))),
    text: `${id}\n${person}\n${occluder}`.toLowerCase(),
  }));

  // ---- blocks -------------------------------------------------------------------------------------------------

  const blocks = new Map();

  // The entry of a render, or null while the page is still being loaded that far.
  function entryOf(render) {
    const number = Math.floor(render.place / index.block);
    let block = blocks.get(number);
    if (!block) {
      const element = $(`block${number}`);
      if (!element || (document.readyState === "loading" && !element.nextElementSibling)) return null;
      block = JSON.parse(element.textContent);
    }
    blocks.delete(number); // to the end of the line
    blocks.set(number, block);
    if (blocks.size > KEPT_BLOCKS) blocks.delete(blocks.keys().next().value);
    return block[render.place % index.block];
  }

  // ---- pictures -----------------------------------------------------------------------------------------------

  function svg(name, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function html(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  // Both pictures are one image: the first shows its left half, the second its right half, with the marks over it.
  function pictures(entry, unit) {
    const box = html("span", "pictures");
    if (entry.error) {
      box.append(html("span", "none wide", `Cannot be shown: ${entry.error}`));
      return box;
    }
    const [width, height] = entry.size;
    const source = `data:image/webp;base64,${entry.picture}`;
    const image = (x) => svg("image", { href: source, x, y: 0, width: entry.before ? 2 * width : width, height, preserveAspectRatio: "none" });
    const part = (x) => svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      svg("svg", { width, height }, image(x))); // the inner one cuts the other half off
    const after = part(entry.before ? -width : 0);
    if (entry.mask) after.append(svg("g", { class: "mask-layer" }, ...["edge", "mask"].map((name) => svg("path", { class: name, d: entry.mask, transform: "translate(.5 .5)" }))));
    after.append(marks(entry.joints, unit * Math.max(width, height) / 160));
    box.append(entry.before ? part(0) : html("span", "none", "the original is not at hand"), after);
    return box;
  }

  function marks(joints, unit) {
    const group = svg("g", { class: "joints" });
    for (const [a, b] of index.limbs) {
      if (!joints[a] || !joints[b]) continue;
      const [x1, y1] = joints[a], [x2, y2] = joints[b];
      group.append(svg("line", { class: "bone", x1, y1, x2, y2, "stroke-width": unit / 2 }));
    }
    for (const joint of joints) {
      if (!joint) continue;
      const [cx, cy, mark] = joint;
      if (mark === COVERED) {
        const r = 2 * unit, d = `M${cx - r} ${cy - r}L${cx + r} ${cy + r}M${cx + r} ${cy - r}L${cx - r} ${cy + r}`;
        group.append(svg("path", { class: "rim", d, "stroke-width": 1.8 * unit }), svg("path", { class: "covered", d, "stroke-width": unit }));
      } else if (mark === HIDDEN) {
        const r = 1.5 * unit;
        group.append(svg("circle", { class: "rim", cx, cy, r, "stroke-width": 1.2 * unit }), svg("circle", { class: "hidden", cx, cy, r, "stroke-width": .7 * unit }));
      } else {
        group.append(svg("circle", { class: "seen", cx, cy, r: unit }));
      }
    }
    return group;
  }

  const quality = (render) => render.quality === null ? "" : `Q ${render.quality.toFixed(2)}`;
  const coveredNames = (render) => render.covered.map((joint) => words(index.joints[joint])).join(", ");

  // ---- gallery ------------------------------------------------------------------------------------------------

  let shown = renders, current = 0, columns = 1, width = TILE, height = 220;
  const tiles = new Map(); // position among the shown -> <li>
  let waiting = false;

  function tile(position) {
    const render = shown[position], entry = entryOf(render);
    const count = `${render.covered.length} covered`;
    const button = html("button", "tile",
      entry ? pictures(entry, 2) : html("span", "pictures", html("span", "none wide", "loading")),
      html("span", "name", render.id),
      html("span", "facts", [quality(render), render.covered.length ? `${count}: ${coveredNames(render)}` : count].filter(Boolean).join(", ")));
    button.type = "button";
    button.tabIndex = position === current ? 0 : -1;
    button.title = render.id;
    const item = html("li", "", button);
    item.setAttribute("aria-posinset", position + 1);
    item.setAttribute("aria-setsize", shown.length);
    item.position = position;
    item.unread = !entry;
    return item;
  }

  function measure() {
    const room = frame.clientWidth;
    columns = Math.max(1, Math.floor((room + GAP) / (TILE + GAP)));
    width = (room - GAP * (columns - 1)) / columns;
    for (const item of tiles.values()) place(item);
    const first = tiles.values().next().value;
    if (first) height = first.offsetHeight;
  }

  function place(item) {
    const column = item.position % columns, row = Math.floor(item.position / columns);
    item.style.width = `${width}px`;
    item.style.transform = `translate(${column * (width + GAP)}px, ${row * (height + GAP)}px)`;
  }

  function inSight() {
    const row = height + GAP, top = -frame.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / row) - AHEAD);
    const last = Math.max(0, Math.ceil((top + window.innerHeight) / row) + AHEAD);
    return [Math.min(first * columns, shown.length), Math.min(last * columns, shown.length)];
  }

  function draw() {
    frame.style.height = `${Math.ceil(shown.length / columns) * (height + GAP)}px`;
    const [start, end] = inSight();
    const focused = gallery.contains(document.activeElement);
    if (!focused && (current < start || current >= end)) current = Math.min(start, Math.max(0, shown.length - 1));
    // The tile that has the focus, or gets it by Tab, stays, wherever it is.
    const wanted = new Set([...range(start, end), ...(shown.length ? [current] : [])]);
    for (const [position, item] of tiles) {
      if (!wanted.has(position)) {
        item.remove();
        tiles.delete(position);
      } else if (item.unread && entryOf(shown[position])) {
        item.firstChild.replaceChildren(...tile(position).firstChild.childNodes); // the button may have the focus
        item.unread = false;
      }
    }
    let before = null; // so that the order in the document is the order on the page
    for (const position of [...wanted].sort((a, b) => b - a)) {
      let item = tiles.get(position);
      if (!item) {
        item = tile(position);
        tiles.set(position, item);
        place(item);
        gallery.insertBefore(item, before);
      }
      item.firstChild.tabIndex = position === current ? 0 : -1;
      before = item;
    }
    waiting = [...tiles.values()].some((item) => item.unread);
    if (waiting) setTimeout(later, 100);
  }

  const range = (start, end) => Array.from({ length: Math.max(0, end - start) }, (_, step) => start + step);

  let asked = 0;
  function later() {
    if (!asked) asked = requestAnimationFrame(() => { asked = 0; draw(); });
  }

  function redraw() {
    for (const item of tiles.values()) item.remove();
    tiles.clear();
    measure();
    draw();
    const before = height;
    measure(); // with a tile there, its height is known
    if (height !== before) for (const item of tiles.values()) place(item);
    draw();
  }

  function goTo(position) {
    current = Math.max(0, Math.min(shown.length - 1, position));
    const row = Math.floor(current / columns) * (height + GAP);
    const top = frame.getBoundingClientRect().top + row;
    const above = document.querySelector(".bar-above").offsetHeight + 8;
    if (top < above) window.scrollBy(0, top - above);
    else if (top + height > window.innerHeight - 8) window.scrollBy(0, top + height - window.innerHeight + 8);
    draw();
    tiles.get(current)?.firstChild.focus({ preventScroll: true });
  }

  const steps = () => {
    const page = columns * Math.max(1, Math.floor(window.innerHeight / (height + GAP)) - 1);
    return { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page };
  };

  gallery.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps()[event.key];
    if (step) {
      const to = current + step;
      if (Math.abs(step) === 1 || Math.abs(step) > columns || (to >= 0 && to < shown.length)) goTo(to);
    } else if (event.key === "Home") goTo(0);
    else if (event.key === "End") goTo(shown.length - 1);
    else return;
    event.preventDefault();
  });
  gallery.addEventListener("focusin", (event) => {
    const item = event.target.closest("li");
    if (!item || item.position === current) return;
    current = item.position;
    for (const other of tiles.values()) other.firstChild.tabIndex = other === item ? 0 : -1;
  });
  gallery.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) open(item.position);
  });
  window.addEventListener("scroll", later, { passive: true });
  window.addEventListener("resize", () => { measure(); draw(); measure(); draw(); });

  // ---- large view ---------------------------------------------------------------------------------------------

  let viewed = 0; // the focus goes back to another tile on closing, and takes `current` with it

  function open(position) {
    viewed = current = Math.max(0, Math.min(shown.length - 1, position));
    const render = shown[current], entry = entryOf(render);
    $("large-title").textContent = render.id;
    $("large-place").textContent = `${(current + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`;
    $("large-pictures").replaceChildren(entry ? pictures(entry, 1) : "loading");
    const facts = [["covered", coveredNames(render) || "none"], ["Q of the mask", render.quality ?? "not known"]];
    if (entry) flat("", entry.line, facts);
    const value = (name, text) => name !== "file" || !index.images ? text
      : Object.assign(html("a", "", text), { href: index.images + text.split("/").map(encodeURIComponent).join("/"), target: "_blank", rel: "noopener" });
    $("large-facts").replaceChildren(...facts.flatMap(([name, fact]) => [html("dt", "", name), html("dd", "", value(name, String(fact)))]));
    $("previous").ariaDisabled = current === 0; // not disabled, which would lose the focus
    $("next").ariaDisabled = current === shown.length - 1;
    if (!large.open) large.showModal();
    remember();
    if (!entry) setTimeout(() => { if (large.open && shown[viewed] === render) open(viewed); }, 200);
  }

  function flat(prefix, part, facts) {
    for (const [name, value] of Object.entries(part)) {
      if (name === "id" || name === "covered") continue;
      if (value !== null && typeof value === "object" && !Array.isArray(value)) flat(`${prefix}${name}.`, value, facts);
      else facts.push([prefix + name, typeof value === "object" ? JSON.stringify(value) : String(value)]);
    }
  }

  large.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowLeft") open(viewed - 1);
    else if (event.key === "ArrowRight") open(viewed + 1);
    else if (event.key === "j") $("show-joints").click();
    else if (event.key === "m") $("show-mask").click();
    else return;
    event.preventDefault();
  });
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
  large.addEventListener("close", () => { goTo(viewed); remember(); });
  $("previous").addEventListener("click", () => open(viewed - 1));
  $("next").addEventListener("click", () => open(viewed + 1));
  $("close").addEventListener("click", () => large.close());

  // ---- filters ------------------------------------------------------------------------------------------------

  const ORDERS = {
    best: (a, b) => (b.quality ?? -Infinity) - (a.quality ?? -Infinity),
    worst: (a, b) => (a.quality ?? Infinity) - (b.quality ?? Infinity),
    many: (a, b) => b.covered.length - a.covered.length,
    few: (a, b) => a.covered.length - b.covered.length,
    id: (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  };

  function filter() {
    const values = new FormData(form);
    const chosen = values.getAll("kind"), all = values.get("match") === "all";
    const text = values.get("text").trim().toLowerCase();
    const number = (name, otherwise) => { const value = parseFloat(values.get(name)); return Number.isFinite(value) ? value : otherwise; };
    const least = number("least", 0), most = number("most", Infinity);
    const qleast = number("qleast", -Infinity), qmost = number("qmost", Infinity);
    const rated = qleast !== -Infinity || qmost !== Infinity;
    const level = values.get("level"), method = values.get("method");
    shown = renders.filter((render) =>
      (!text || render.text.includes(text)) &&
      (!chosen.length || (all ? chosen.every((kind) => render.kinds.has(kind)) : chosen.some((kind) => render.kinds.has(kind)))) &&
      render.covered.length >= least && render.covered.length <= most &&
      (!rated || (render.quality !== null && render.quality >= qleast && render.quality <= qmost)) &&
      (!level || render.level === level) && (!method || render.method === method));
    const order = ORDERS[values.get("sort")];
    if (order) shown.sort((a, b) => order(a, b) || a.place - b.place);
    current = 0;
    const total = renders.length.toLocaleString("en");
    $("count").textContent = !renders.length ? "No renders" : !shown.length ? `None of ${total} renders` :
      `${shown.length.toLocaleString("en")} of ${total} renders`;
    redraw();
  }

  function change() {
    const top = frame.getBoundingClientRect().top;
    filter();
    if (top < 0) window.scrollBy(0, frame.getBoundingClientRect().top - document.querySelector(".bar-above").offsetHeight);
    remember();
  }

  // ---- state in the address -----------------------------------------------------------------------------------

  function remember() {
    const state = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value && !(name === "match" && value === "any")) state.append(name, value);
    for (const [what, usual] of Object.entries(LAYERS)) if ($(`show-${what}`).checked !== usual) state.set(what, usual ? "off" : "on");
    if (large.open) state.set("view", shown[viewed].id);
    history.replaceState(null, "", `#${state}`);
  }

  function restore() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const field of form.elements) {
      if (field.name === "kind") field.checked = state.getAll("kind").includes(field.value);
      else if (field.name) field.value = state.get(field.name) ?? (field.name === "match" ? "any" : "");
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
    }
    for (const [what, usual] of Object.entries(LAYERS)) $(`show-${what}`).checked = usual ? state.get(what) !== "off" : state.get(what) === "on";
    toggle();
    filter();
    const view = shown.findIndex((render) => render.id === state.get("view"));
    if (view >= 0) open(view);
    else if (large.open) large.close();
  }

  function toggle() {
    for (const what of Object.keys(LAYERS)) document.body.classList.toggle(`no-${what}`, !$(`show-${what}`).checked);
  }

  function prepare() {
    for (const kind of kinds) {
      const count = renders.filter((render) => render.kinds.has(kind)).length;
      if (!count) continue;
      const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "kind", value: kind });
      $("kinds").append(html("label", "", box, ` ${words(kind)} `, html("span", "number", `(${count.toLocaleString("en")})`)));
    }
    for (const name of ["level", "method"]) {
      const values = [...new Set(renders.map((render) => render[name]))].filter(Boolean).sort();
      for (const value of values) form.elements[name].append(Object.assign(html("option", "", value), { value }));
      $(`${name}s`).hidden = values.length < 2;
    }
    $("quality").hidden = !renders.some((render) => render.quality !== null);
    for (const option of form.elements.sort.options) {
      if (["best", "worst"].includes(option.value)) option.hidden = option.disabled = $("quality").hidden;
    }
    if (window.matchMedia("(max-width: 60rem)").matches) $("filter-box").open = false;
    form.addEventListener("input", change);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(change));
    for (const what of Object.keys(LAYERS)) $(`show-${what}`).addEventListener("change", () => { toggle(); remember(); });
    window.addEventListener("hashchange", restore);
    document.querySelector(".skip").addEventListener("click", (event) => { // its address would take the state's place
      event.preventDefault();
      $("gallery-title").focus();
      $("gallery-title").scrollIntoView();
    });
  }

  prepare();
  restore();
})();
