"use strict";
// Keeps the page up to date, a part at a time, so that nobody loses their place. Without it the page reloads as a whole.

const POLL_MS = 3000;
const parts = () => document.querySelectorAll("[data-part]");
const drawn = new Map();
for (const part of parts()) drawn.set(part.id, part.innerHTML);

function replace(part, fresh) {
  const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...fresh.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function show(page) {
  for (const part of parts()) {
    const fresh = page.getElementById(part.id);
    if (!fresh || fresh.innerHTML === drawn.get(part.id)) continue;
    drawn.set(part.id, fresh.innerHTML);
    replace(part, fresh);
  }
}

function countDown() {
  for (const end of document.querySelectorAll("time[data-deadline]")) {
    const left = Math.max(0, Math.round((new Date(end.dateTime) - Date.now()) / 1000));
    const words = left < 60 ? `${left} s` : `${Math.floor(left / 60)} min ${left % 60} s`;
    end.nextElementSibling.textContent = left ? ` (in ${words})` : " (now)";
  }
}

async function refresh() {
  const stale = document.getElementById("stale");
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

setInterval(() => document.hidden || refresh(), POLL_MS);
setInterval(countDown, 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
countDown();
