// Making elements. Text only ever becomes text: nothing here or below parses markup.

function byId(id) {
  return document.getElementById(id);
}

// h("p", {class: "quiet"}, "text", element, ...): properties that are functions become listeners.
function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties || {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function plural(count, word, words) {
  return count.toLocaleString("en") + " " + (count === 1 ? word : words || word + "s");
}

// A list that grows on demand: `make` is called for the entries that are shown.
function growing(parent, entries, step, make) {
  const button = h("button", { type: "button", class: "more" });
  let shown = 0;
  function grow() {
    const fresh = entries.slice(shown, shown + step).map(make);
    shown += fresh.length;
    button.before(...fresh);
    const left = entries.length - shown;
    button.hidden = left === 0;
    button.textContent = "Show " + Math.min(step, left) + " more of " + left.toLocaleString("en");
    return fresh[0];
  }
  button.addEventListener("click", () => {
    const first = grow();
    const focus = first && first.querySelector("summary, button, a");
    if (focus) focus.focus();
  });
  parent.replaceChildren(button);
  grow();
}

// <details> whose content is made when it is first opened.
function lazy(summary, make, properties) {
  const details = h("details", properties, h("summary", null, ...[summary].flat()));
  function fill() {
    details.removeEventListener("toggle", fill);
    if (details.childElementCount === 1) details.append(...[make()].flat());
  }
  details.addEventListener("toggle", fill);
  return details;
}
