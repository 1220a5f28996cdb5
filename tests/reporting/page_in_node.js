// Runs a page's script over a document that only keeps what is made, and prints what each panel shows.
// node page_in_node.js PAGE [FRACTION ...]: where on the axis of each panel to point.
"use strict";
const fs = require("fs");
const [file, ...fractions] = process.argv.slice(2);
const html = fs.readFileSync(file, "utf8");
const scripts = [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map((match) => match[1]);
const VIEW = { left: 52, right: 26, width: 480 };  // as page.js has them

class Node {
  constructor(tag) { Object.assign(this, { tag, attributes: {}, children: [], listeners: {}, style: {}, textContent: "" }); }
  setAttribute(name, value) { this.attributes[name] = value; }
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  getBoundingClientRect() { return { left: 0, top: 0, width: VIEW.width }; }
  querySelectorAll() { return []; }
  all(tag) { return this.children.flatMap((node) => node.all ? [...(node.tag === tag ? [node] : []), ...node.all(tag)] : []); }
}
const known = {}, byId = (id) => (known[id] ||= new Node(id));
byId("data").textContent = scripts[0];
Object.assign(globalThis, {
  document: { getElementById: byId, createElement: (tag) => new Node(tag), createElementNS: (_, tag) => new Node(tag), querySelectorAll: () => [] },
  location: { hash: "" }, scrollX: 0, scrollY: 0, innerWidth: 1000, addEventListener: () => {},
});
new Function(scripts[1])();

const shown = byId("panels").all("svg").map((svg) => {
  const curves = [...svg.all("line"), ...svg.all("path")].filter((node) => node.attributes.class === "curve").map((node) => node.attributes);
  const tips = fractions.map((fraction) => {
    const x = VIEW.left + fraction * (VIEW.width - VIEW.left - VIEW.right);
    svg.listeners.pointermove({ clientX: x, pageX: 0, pageY: 0 });
    return byId("tip").textContent.split("\n");
  });
  return { label: svg.attributes["aria-label"], curves, tips };
});
console.log(JSON.stringify(shown));
