// What a screen reader, a keyboard and weak eyes need, checked in the page itself: a list of what is wrong.
() => {
  const wrong = [];
  const seen = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest("[hidden], [aria-hidden=true]");
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  const say = (what, node) => wrong.push(`${what}: ${node.outerHTML.slice(0, 120)}`);
  const byIds = (ids) => ids.split(" ").map((id) => document.getElementById(id)?.textContent.trim() ?? "").join(" ");
  const name = (node) =>
    (node.getAttribute("aria-labelledby") ? byIds(node.getAttribute("aria-labelledby")) : "") ||
    node.getAttribute("aria-label") || node.alt || [...(node.labels ?? [])].map((label) => label.textContent).join(" ").trim() ||
    node.textContent.trim();

  if (!document.documentElement.lang) wrong.push("the page names no language");
  if (all("h1").length !== 1) wrong.push(`${all("h1").length} first headings`);
  if (all("main").length !== 1) wrong.push(`${all("main").length} main parts`);
  let last = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) say("a level of headings is left out", heading);
    last = level;
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`the id ${id} is used twice`);
  for (const node of document.querySelectorAll("[aria-labelledby]"))
    if (seen(node) && !byIds(node.getAttribute("aria-labelledby")).trim()) say("its label is not there", node);
  for (const node of all("a, button, input:not([type=hidden]), summary, [role=img], section, fieldset")) if (!name(node)) say("no name", node);
  for (const image of all("img")) if (!image.hasAttribute("alt")) say("no alternative text", image);
  for (const table of all("table")) if (!table.caption || !table.querySelector("th[scope]")) say("no caption or heads", table);
  for (const control of all("a, button, summary, input:not([type=hidden])")) {
    const box = control.getBoundingClientRect();
    if (box.height < 16 || box.width < 16) say("too small to hit", control);
  }

  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const behind = (node) => {
    const layers = [];
    for (let one = node; one; one = one.parentElement) layers.push(numbers(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !seen(node) || node.closest("svg, script, style, .unseen")) continue;
    const style = getComputedStyle(node), back = behind(node);
    const [a, b] = [light(over(numbers(style.color), back)), light(back)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) say(`contrast ${contrast.toFixed(2)}`, node);
  }
  return wrong;
}
