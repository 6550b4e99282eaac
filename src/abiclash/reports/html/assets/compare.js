// Two import orders side by side: which references get another definition.

const CHANGES = 30;

function changesBetween(left, right) {
  const found = new Map();
  for (const group of data.changes.groups) {
    const [object, variants] = data.changes.files[group.file];
    const one = variants[left], other = variants[right];
    if (one < 0 || other < 0 || group.to[one] === group.to[other]) continue;
    if (!found.has(object)) found.set(object, new Map());
    const changes = found.get(object), key = group.to[one] + "," + group.to[other];
    const change = changes.get(key) || { left: group.to[one], right: group.to[other], count: 0, kinds: {}, symbols: [] };
    change.count += group.n;
    change.symbols.push(...group.symbols);
    for (const [kind, count] of Object.entries(group.kinds)) change.kinds[kind] = (change.kinds[kind] || 0) + count;
    changes.set(key, change);
  }
  return [...found].map(([object, changes]) => ({ object, changes: [...changes.values()] }));
}

// Variables first: two copies of one are what breaks a program most often.
const KINDS = ["thread-local variable", "variable", "function", "constant", "symbol"];

function kindsView(change) {
  const counts = KINDS.filter((kind) => change.kinds[kind]).map((kind) => plural(change.kinds[kind], kind)).join(", ");
  const [raw, readable] = data.symbols[change.symbols[0]];
  return [counts, h("span", { class: "code quiet" }, ": " + (readable || raw) + (change.count > 1 ? ", ..." : ""))];
}

function sideView(label, target, object) {
  const own = target === object;
  const what = target === NOTHING ? h("span", { class: "quiet" }, "nothing: the weak reference stays empty")
    : own ? [h("span", { class: "code file" }, objectName(target)), h("span", { class: "quiet" }, ": its own")] : objectView(target);
  const side = h("div", { class: own ? "side self" : "side" }, h("p", { class: "label" }, label), h("p", { class: "gets" }, what));
  const owner = target === NOTHING ? HOST : data.objects[target][1];
  if (owner !== HOST) side.style.setProperty("--hue", hue(owner));
  else side.classList.add("neutral");
  return side;
}

function objectChanges({ object, changes }, labels) {
  return h("article", { class: "change" },
    h("h3", null, objectView(object), h("span", { class: "quiet" }, " gets")),
    changes.map((change) => rebound(object, change, labels)));
}

function rebound(object, change, labels) {
  const more = change.count - change.symbols.length;
  return h("div", { class: "rebound" },
    h("div", { class: "sides" }, sideView(labels[0], change.left, object), sideView(labels[1], change.right, object)),
    lazy(kindsView(change), () => [
      h("ul", { class: "symbols" }, change.symbols.map((symbol) => h("li", null, symbolView(symbol)))),
      more > 0 ? h("p", { class: "quiet" }, more.toLocaleString("en") + " more: abiclash bindings --diff lists all") : null,
    ].filter(Boolean)));
}

function compareNow() {
  const chosen = [byId("compare-left"), byId("compare-right")].map((select) => Number(select.value));
  const use = byId("compare-use").checked;
  const labels = chosen.map((order) => orders[order].label);
  const found = changesBetween(runOf(chosen[0], use), runOf(chosen[1], use));
  const total = found.reduce((sum, { changes }) => sum + changes.reduce((all, change) => all + change.count, 0), 0);
  const omitted = data.changes.left_out[1];
  byId("compare-status").textContent = (found.length
    ? plural(total, "symbol") + " of " + plural(found.length, "object") + (total === 1 ? " gets" : " get") + " another definition"
    : "Every object that both load is bound alike in both.")
    + (omitted ? " (" + omitted.toLocaleString("en") + " symbols of smaller groups are not on this page)" : "");
  growing(byId("compare-result"), found, CHANGES, (each) => objectChanges(each, labels));
}

function showComparison(left, right) {
  byId("compare-left").value = String(data.orders[left].order);
  byId("compare-right").value = String(data.orders[right].order);
  compareNow();
  const title = byId("compare-title");
  title.tabIndex = -1;
  title.scrollIntoView();
  title.focus();
}

function setUpCompare() {
  const pair = data.pair.map((run) => data.orders[run].order);
  if (orders.length < 2) return byId("compare").remove();
  fillOrders(byId("compare-left"), pair[0]);
  fillOrders(byId("compare-right"), pair[1]);
  byId("compare-form").addEventListener("change", compareNow);
  byId("compare-form").addEventListener("submit", (event) => event.preventDefault());
  byId("compare-swap").addEventListener("click", () => {
    const [left, right] = [byId("compare-left"), byId("compare-right")];
    [left.value, right.value] = [right.value, left.value];
    compareNow();
  });
  compareNow();
}
