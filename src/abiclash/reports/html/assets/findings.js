// Filtering the findings that the page was made with, and getting from a finding to what shows it.

function setUpFindings() {
  const form = byId("filter");
  if (!form) return;
  const articles = [...document.querySelectorAll("article.finding")];
  const texts = new Map();
  const audiences = ["user", "maintainer", "researcher"];

  function textOf(article) {
    if (!texts.has(article)) texts.set(article, article.textContent.toLowerCase());
    return texts.get(article);
  }

  function apply() {
    const words = byId("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set([...form.querySelectorAll("[name=severity]:checked")].map((box) => box.value));
    const audience = audiences.indexOf(byId("filter-audience").value);
    let shown = 0;
    for (const article of articles) {
      const heard = article.dataset.severity === "error" || audiences.indexOf(article.dataset.audience) <= audience;
      const keep = heard && severities.has(article.dataset.severity) && words.every((word) => textOf(article).includes(word));
      article.hidden = !keep;
      shown += keep ? 1 : 0;
    }
    for (const cause of document.querySelectorAll("section.cause")) {
      cause.hidden = !cause.querySelector("article.finding:not([hidden])");
      const fold = cause.querySelector(":scope > details.fold");
      if (fold && words.length) fold.open = !cause.hidden;
    }
    byId("filter-status").textContent = shown === articles.length ? "" : plural(shown, "finding") + " of " + articles.length + " shown";
  }

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  if (data) for (const finding of data.findings) addComparison(finding);
}

function addComparison(finding) {
  const article = finding.pair ? byId(finding.id) : null;
  if (!article) return;
  const button = h("button", { type: "button", class: "link", click: () => showComparison(...finding.pair) },
    "Compare the two orders side by side");
  article.querySelector("details.evidence").before(h("p", { class: "links" }, button));
}

// Opens whatever is folded around an element, so that a link to it shows it.
function reveal(target) {
  for (let at = target; at; at = at.parentElement) {
    if (at.tagName === "DETAILS") at.open = true;
    if (at.hidden && (at.matches("article.finding") || at.matches("section.cause"))) at.hidden = false;
  }
}

function findingLink(number) {
  const finding = data.findings[number];
  return h("a", { href: "#" + finding.id }, finding.rule + ": " + finding.title);
}
