// What the page was given (reports/html/payload.py says how it is laid out), and how its parts are shown.

const element = byId("data");
const data = element ? JSON.parse(element.textContent) : null;
const HOST = -1;
const NOTHING = -1;

function packageChip(number) {
  const chip = h("span", { class: number === HOST ? "chip host" : "chip" }, number === HOST ? "host" : data.packages[number]);
  if (number !== HOST) chip.style.setProperty("--hue", hue(number));
  return chip;
}

// Neighbours in the list get hues that are far apart: steps of the golden angle.
function hue(number) {
  return String(Math.round((number * 137.508 + 210) % 360));
}

function objectName(number) {
  return data.objects[number][0].split("/").pop();
}

function objectView(number) {
  const [path, owner] = data.objects[number];
  const folder = path.slice(0, path.length - objectName(number).length);
  return h("span", { class: "object" },
    packageChip(owner), " ", h("span", { class: "code file" }, objectName(number)),
    folder ? h("span", { class: "code quiet folder" }, " in " + folder.replace(/\/$/, "")) : null);
}

function symbolView(number) {
  const [raw, readable] = data.symbols[number];
  if (!readable) return [h("span", { class: "code" }, raw)];
  return [h("span", { class: "code" }, readable), " ", h("span", { class: "code quiet raw" }, raw)];
}

// The orders to choose from, with the runs of each: the imports, and whatever the packages can load later.
const orders = [];
if (data) {
  data.orders.forEach((run, number) => {
    const order = orders[run.order] || (orders[run.order] = { label: run.label, verdict: run.verdict, alone: run.alone });
    order[run.use ? "use" : "import"] = number;
  });
}

function runOf(order, use) {
  const wanted = orders[order];
  return use && wanted.use !== undefined ? wanted.use : wanted.import;
}

function fillOrders(select, chosen) {
  const together = h("optgroup", { label: "Together" });
  const alone = h("optgroup", { label: "Alone" });
  orders.forEach((order, number) => {
    const verdict = order.verdict ? " (" + order.verdict + ")" : "";
    (order.alone ? alone : together).append(h("option", { value: number, selected: number === chosen }, order.label + verdict));
  });
  select.replaceChildren(...[together, alone].filter((group) => group.childElementCount));
}
