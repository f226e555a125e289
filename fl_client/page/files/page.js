"use strict";
// Keeps the page up to date, a part at a time, so that nobody loses their place. Without it the page reloads as a whole.

const POLL_MS = 1000;
const LIVE = "[data-part]", REST = "[data-rest]";
const drawn = new Map();
let version = document.getElementById("announce").dataset.version;
for (const part of document.querySelectorAll(`${LIVE}, ${REST}`)) drawn.set(part.id, part.outerHTML);

function replace(part, fresh) {
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  for (const { name, value } of fresh.attributes) part.setAttribute(name, value);
  part.hidden = fresh.hidden;
  part.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

async function fetchParts(address, selector) {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll(selector)) {
    const fresh = page.getElementById(part.id);
    if (!fresh || fresh.outerHTML === drawn.get(part.id)) continue;
    drawn.set(part.id, fresh.outerHTML);
    replace(part, fresh);
  }
}

async function refresh() {
  const stale = document.getElementById("stale"), announce = document.getElementById("announce");
  try {
    await fetchParts("live", LIVE);
    if (announce.dataset.version !== version) {
      await fetchParts("./", REST);
      version = announce.dataset.version;
    }
    document.title = announce.dataset.title;
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
  document.body.classList.toggle("stale", !stale.hidden);
}

// Digits answer only while a choice has the focus: a key pressed elsewhere never says how somebody feels.
document.addEventListener("keydown", (event) => {
  const choices = document.querySelectorAll("#probe .choices:not(.levels) button");
  if ([...choices].includes(event.target)) choices[Number(event.key) - 1]?.click();
});

async function keepUp() {
  if (!document.hidden) await refresh();
  setTimeout(keepUp, POLL_MS);
}

if (location.search) history.replaceState(null, "", location.pathname + location.hash);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setTimeout(keepUp, POLL_MS);
