// Starting up, links into folded parts, and printing.

function goToTarget() {
  const target = location.hash.length > 1 ? byId(decodeURIComponent(location.hash.slice(1))) : null;
  if (!target) return;
  reveal(target);
  target.scrollIntoView();
}

// Paper cannot be unfolded: what is folded is opened while it prints. Lists that are made on demand stay as they are.
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
  folded = [];
});

for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
for (const part of document.querySelectorAll(".unscripted")) part.remove();
setUpFindings();
if (data) {
  setUpCompare();
  setUpGraph();
  setUpLoads();
  setUpSymbols();
}
addEventListener("hashchange", goToTarget);
goToTarget();
document.documentElement.dataset.ready = "yes";
