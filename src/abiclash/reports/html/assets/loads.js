// Who loads what: a tree of packages, of what they open, and of the libraries that come along.

const LOADS = 100;

// Loads in a row of one package are one step; what the interpreter brings is opened on that package's behalf.
function steps(run) {
  const found = [];
  for (const number of data.loads.runs[run]) {
    const open = data.loads.opens[number];
    const last = found[found.length - 1];
    if (last && (last.p === open.p || open.p === HOST || last.p === HOST)) {
      last.opens.push(open);
      if (last.p === HOST) last.p = open.p;
    } else found.push({ p: open.p, opens: [open] });
  }
  return found;
}

function causeView(open) {
  const [kind, place, text] = open.why;
  const sure = open.sure === "certain" ? "" : ", " + open.sure;
  return h("span", { class: "cause-of" },
    h("span", { class: "quiet" }, kind + sure + (place ? ": " + place : "")),
    text ? [" ", h("span", { class: "code quiet" }, text)] : null);
}

function openView(open) {
  const head = [open.f === -1 ? h("span", { class: "code file" }, open.name) : objectView(open.f)];
  if (open.flags) head.push(" ", h("span", { class: "flag" }, open.flags));
  if (open.again) head.push(" ", h("span", { class: "quiet" }, "(already loaded)"));
  const lines = [h("p", { class: "opened" }, head), h("p", { class: "because" }, causeView(open))];
  if (open.fails) lines.push(h("p", { class: "failure" }, "Fails: " + open.fails));
  if (open.new) lines.push(lazy(plural(open.new.length, "library comes along", "libraries come along"), () => neededView(open)));
  return h("li", null, lines);
}

// `new` names each new file with the object that needs it: a tree below what was opened.
function neededView(open) {
  const children = new Map();
  for (const [file, parent] of open.new) children.set(parent, [...(children.get(parent) || []), file]);
  function below(parent) {
    const files = children.get(parent) || [];
    children.delete(parent);
    return files.length ? h("ul", { class: "tree" }, files.map((file) => h("li", null, objectView(file), below(file)))) : null;
  }
  const lists = [below(open.f)];
  for (const parent of [...children.keys()]) lists.push(below(parent));
  return lists.filter(Boolean);
}

function stepView(step) {
  const along = step.opens.reduce((sum, open) => sum + (open.new ? open.new.length : 0), 0);
  const failed = step.opens.filter((open) => open.fails).length;
  const about = " opens " + plural(step.opens.length, "object") + (along ? ", which " + (step.opens.length === 1 ? "needs " : "need ") + along + " more" : "") + (failed ? "; " + failed + " fail" : "");
  return h("li", null, lazy(h("span", null, packageChip(step.p), about), () => {
    const list = h("ol", { class: "tree" });
    growing(list, step.opens, LOADS, openView);
    const button = list.lastElementChild;
    if (!button.hidden) list.after(button); else button.remove();
    return list;
  }));
}

function loadsNow() {
  const run = runOf(Number(byId("loads-order").value), byId("loads-use").checked);
  const found = steps(run);
  const count = found.reduce((sum, step) => sum + step.opens.length, 0);
  byId("loads-status").textContent = plural(count, "load") + " in this order";
  const list = h("ol", { class: "tree top" });
  byId("loads-tree").replaceChildren(list);
  list.append(...found.map(stepView));
}

function setUpLoads() {
  fillOrders(byId("loads-order"), data.orders[data.pair[0] || 0].order);
  byId("loads-form").addEventListener("change", loadsNow);
  byId("loads-form").addEventListener("submit", (event) => event.preventDefault());
  loadsNow();
}
