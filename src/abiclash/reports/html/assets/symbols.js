// Searching the symbols of the page.

const RESULTS = 25;
const TOO_SHORT = 2;

function symbolUses() {
  const uses = data.symbols.map(() => ({ findings: [], groups: [] }));
  data.findings.forEach((finding, number) => finding.symbols.forEach((symbol) => uses[symbol].findings.push(number)));
  data.changes.groups.forEach((group) => group.symbols.forEach((symbol) => uses[symbol].groups.push(group)));
  return uses;
}

function groupView(group) {
  const object = data.changes.files[group.file][0];
  const targets = [...new Set(group.to)].map((target) => (target === NOTHING ? "nothing" : target === object ? "itself" : objectName(target)));
  return h("li", null, objectView(object), " gets it from " + targets.join(" or ") + ", by import order");
}

function setUpSymbols() {
  const box = byId("symbols-text"), status = byId("symbols-status"), result = byId("symbols-result");
  const total = plural(data.symbols.length, "symbol") + " on this page";
  let texts = null, uses = null;

  function search() {
    const wanted = box.value.trim().toLowerCase();
    if (wanted.length < TOO_SHORT) {
      status.textContent = total;
      return result.replaceChildren();
    }
    texts = texts || data.symbols.map((names) => names.join("\n").toLowerCase());
    uses = uses || symbolUses();
    const found = [];
    texts.forEach((text, number) => { if (text.includes(wanted)) found.push(number); });
    status.textContent = plural(found.length, "symbol") + " of " + data.symbols.length.toLocaleString("en");
    growing(result, found, RESULTS, (number) => h("article", { class: "symbol" },
      h("h3", null, symbolView(number)),
      h("ul", null,
        uses[number].findings.map((finding) => h("li", null, findingLink(finding))),
        uses[number].groups.map(groupView))));
  }

  byId("symbols-form").addEventListener("input", search);
  byId("symbols-form").addEventListener("submit", (event) => event.preventDefault());
  search();
}
