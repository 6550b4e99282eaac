// The graph: drawn by cytoscape.js once it comes into view, and as a list for everyone who does not look.

const TIES = {
  "captures": "replaces own definitions of",
  "shadows": "is found in place of",
  "shares-soname": "shares a library name with",
  "differs-in-abi": "does not agree on a type with",
  "binds-to": "uses symbols of",
  "needs": "needs",
  "duplicates-unique": "defines the same unique symbols as",
  "duplicates-weak": "defines the same weak symbols as",
};
const MUTUAL = new Set(["shares-soname", "differs-in-abi", "duplicates-unique", "duplicates-weak"]);
const AT_FIRST = ["captures", "shares-soname", "differs-in-abi"];
const ALSO = ["shadows", "binds-to"]; // where there are few ties: the other side of captures, and plain use
const ROWS = 60;
const FEW = 7; // nodes that stand well on a circle
const CROWD = 60; // nodes: a layout by forces would take seconds
const FEW_TIES = 30;
let drawing = null;

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function graphStyle() {
  const edge = (kind, variable, style) => ({ selector: '[kind = "' + kind + '"]', style: { "line-color": color(variable), "target-arrow-color": color(variable), ...style } });
  return [
    { selector: "node", style: { "label": "data(label)", "font-size": 13, "font-family": "system-ui, sans-serif", "color": color("--ink"), "text-wrap": "wrap", "text-max-width": 130,
      "text-valign": "bottom", "text-margin-y": 4, "text-background-color": color("--raised"), "text-background-opacity": 0.85, "text-background-padding": 2, "width": 18, "height": 18, "background-color": color("--quiet"), "border-width": 2, "border-color": color("--paper") } },
    { selector: 'node[kind = "package"]', style: { "shape": "round-rectangle", "width": 26, "height": 26, "font-weight": "bold" } },
    { selector: 'node[kind = "host"]', style: { "shape": "diamond", "width": 22, "height": 22 } },
    { selector: 'node[severity = "warning"]', style: { "background-color": color("--warn") } },
    { selector: 'node[severity = "error"]', style: { "background-color": color("--bad") } },
    { selector: "edge", style: { "width": "data(width)", "curve-style": "bezier", "target-arrow-shape": "triangle", "arrow-scale": 1.1, "opacity": 0.85 } },
    edge("captures", "--bad", {}), edge("differs-in-abi", "--bad", { "line-style": "dashed", "target-arrow-shape": "none" }),
    edge("shadows", "--warn", {}), edge("shares-soname", "--warn", { "line-style": "dashed", "target-arrow-shape": "none" }),
    edge("binds-to", "--link", {}), edge("needs", "--quiet", {}),
    edge("duplicates-unique", "--rule-strong", { "line-style": "dotted", "target-arrow-shape": "none" }),
    edge("duplicates-weak", "--rule-strong", { "line-style": "dotted", "target-arrow-shape": "none" }),
    { selector: ":selected", style: { "border-color": color("--ink"), "border-width": 3, "opacity": 1, "underlay-color": color("--link"), "underlay-opacity": 0.25, "underlay-padding": 5 } },
  ];
}

function chosenGraph() {
  return data.graphs[Number(byId("graph-which").value)];
}

function shownEdges() {
  const kinds = new Set([...byId("graph-kinds").querySelectorAll("input:checked")].map((box) => box.value));
  return chosenGraph().edges.filter((edge) => kinds.has(edge.kind));
}

function tieView(graph, edge) {
  const [from, to] = [graph.nodes[edge.from], graph.nodes[edge.to]];
  const samples = (edge.symbols || []).slice(0, 5);
  return h("li", null,
    h("strong", null, from.label), " " + TIES[edge.kind] + " ", h("strong", null, to.label),
    edge.n > 1 ? h("span", { class: "quiet" }, " (" + edge.n.toLocaleString("en") + ")") : null,
    edge.orders ? h("span", { class: "quiet" }, " in " + plural(edge.orders, "order")) : null,
    samples.length ? h("ul", { class: "symbols" }, samples.map((symbol) => h("li", null, symbolView(symbol)))) : null);
}

function describe(title, edges) {
  const list = h("ul", { class: "ties" });
  byId("graph-detail").replaceChildren(h("h3", null, title), list);
  if (!edges.length) return;
  growing(list, edges, 12, (edge) => tieView(chosenGraph(), edge));
  list.after(list.lastElementChild);
}

function selected(event) {
  const graph = chosenGraph(), target = event.target;
  if (target.isNode()) {
    const place = Number(target.id()), node = graph.nodes[place];
    describe(node.name || node.label, shownEdges().filter((edge) => edge.from === place || edge.to === place));
  } else {
    const edge = shownEdges()[Number(target.data("edge"))];
    describe(graph.nodes[edge.from].label + (MUTUAL.has(edge.kind) ? " and " : " to ") + graph.nodes[edge.to].label, [edge]);
  }
}

function elements() {
  const graph = chosenGraph(), edges = shownEdges();
  const used = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  return [
    ...graph.nodes.map((node, place) => ({ data: { id: String(place), label: node.label, kind: node.kind, severity: node.severity } })).filter((node) => used.has(Number(node.data.id))),
    ...edges.map((edge, number) => ({ data: { id: "e" + number, source: String(edge.from), target: String(edge.to), kind: edge.kind, edge: number, width: 1.5 + Math.min(4, Math.log10(edge.n) * 1.2) } })),
  ];
}

function draw() {
  if (!drawing) return;
  drawing.elements().remove();
  drawing.add(elements());
  const count = drawing.nodes().length, common = { animate: false, padding: 40, nodeDimensionsIncludeLabels: true };
  if (count > CROWD) drawing.layout({ ...common, name: "concentric", concentric: (node) => node.degree(), levelWidth: () => 4 }).run();
  else drawing.layout({ ...common, name: "circle" }).run();
  // From the circle on, not at random: the same report looks the same each time.
  if (count > FEW && count <= CROWD)
    drawing.layout({ ...common, name: "cose", randomize: false, nodeRepulsion: 4000 * count, idealEdgeLength: 90, edgeElasticity: 200, gravity: 0.8, numIter: 2000 }).run();
  drawing.nodes().style("font-size", Math.min(22, Math.max(13, 11 / drawing.zoom()))); // to be read without zooming
  byId("graph-canvas").dataset.drawn = count;
}

function startDrawing() {
  if (drawing) return;
  drawing = cytoscape({ container: byId("graph-canvas"), style: graphStyle(), userZoomingEnabled: false, boxSelectionEnabled: false, maxZoom: 3, minZoom: 0.1 });
  drawing.on("select", selected);
  drawing.on("unselect", () => describe("Choose a node or a line", []));
  byId("graph-canvas").cy = drawing;
  draw();
}

function kindsNow() {
  const present = [...new Set(chosenGraph().edges.map((edge) => edge.kind))];
  const few = chosenGraph().edges.length <= FEW_TIES;
  const first = present.filter((kind) => AT_FIRST.includes(kind) || (few && ALSO.includes(kind)));
  const on = new Set(first.length ? first : present);
  byId("graph-kinds").replaceChildren(h("legend", null, "Ties"), ...Object.keys(TIES).filter((kind) => present.includes(kind)).map((kind) =>
    h("label", { class: "tie " + kind }, h("input", { type: "checkbox", value: kind, checked: on.has(kind) }), " " + kind)));
}

function graphNow() {
  const edges = shownEdges(), left = chosenGraph().left_out;
  describe("Choose a node or a line", []);
  const list = h("ul", { class: "ties" });
  byId("graph-table").replaceChildren(list);
  if (edges.length) {
    growing(list, edges, ROWS, (edge) => tieView(chosenGraph(), edge));
    list.after(list.lastElementChild);
  }
  if (left) byId("graph-table").append(h("p", { class: "quiet" }, left.toLocaleString("en") + " weaker ties are left out: abiclash graph writes all of them"));
  draw();
}

function zoom(factor) {
  if (drawing) drawing.zoom({ level: drawing.zoom() * factor, renderedPosition: { x: drawing.width() / 2, y: drawing.height() / 2 } });
}

function setUpGraph() {
  if (!data.graphs.length) {
    document.querySelector('a[href="#graph"]').parentElement.remove();
    return byId("graph").remove();
  }
  byId("graph-which").append(...data.graphs.map((graph, number) => h("option", { value: number }, graph.title)));
  byId("graph-which").addEventListener("change", () => { kindsNow(); graphNow(); });
  byId("graph-kinds").addEventListener("change", graphNow);
  byId("graph-form").addEventListener("submit", (event) => event.preventDefault());
  byId("graph-fit").addEventListener("click", () => drawing && drawing.fit(undefined, 30));
  byId("graph-in").addEventListener("click", () => zoom(1.3));
  byId("graph-out").addEventListener("click", () => zoom(1 / 1.3));
  kindsNow();
  graphNow();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawing && drawing.style(graphStyle()));
  new IntersectionObserver((entries, observer) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    startDrawing();
  }, { rootMargin: "200px" }).observe(byId("graph-canvas"));
}
