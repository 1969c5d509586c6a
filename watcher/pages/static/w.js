// The pages are whole without this. It keeps ages, and replaces the sections marked `data-live` when the log grew.
// One stream a page and only while it is visible; nothing moves under whoever reads, types or points.
"use strict";
const body = document.body;
const pill = document.querySelector("#live");
const hold = document.querySelector("#hold");
const news = document.querySelector("#news");
const POLL = 15000, TOGETHER = 1000, AGAIN = 3000;
let source, held = false, due = 0, missed = 0, lost = 0, asking = false, last = Date.now();

function words(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${s % 60 ? `${s % 60}s` : ""}`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${Math.floor(s / 60) % 60 ? `${Math.floor(s / 60) % 60}m` : ""}`;
  return `${Math.floor(s / 86400)}d${Math.floor(s / 3600) % 24 ? `${Math.floor(s / 3600) % 24}h` : ""}`;
}

function tick() {
  for (const one of document.querySelectorAll("time[data-age]")) {
    const text = words(Math.abs(Date.now() + skew - Date.parse(one.dateTime)) / 1000);
    if (one.textContent !== text) one.textContent = text;
  }
}

// The server's clock counts: a phone's may be wrong.
let skew = 0;
function adjust(page) {
  const at = page.querySelector("footer time");
  if (at) skew = Date.parse(at.dateTime) - Date.now();
}

function say(state, text) {
  if (!pill || pill.textContent === text) return;
  pill.dataset.on = state;
  pill.textContent = text;
}

function busy() {
  const active = document.activeElement;
  return held || document.hidden || String(getSelection()) !== ""
    || Boolean(active && active !== body && active.closest("[data-live]"))
    || Boolean(document.querySelector("[data-live] :is(a, button, input, select, summary):hover, details.confirm[open]"));
}

async function refresh(now) {
  clearTimeout(due);
  due = 0;
  if (asking) return;
  if (!now && busy()) {
    if (missed && news) {
      news.textContent = `${missed} new: show`;
      news.hidden = false;
    }
    due = setTimeout(refresh, AGAIN);
    return;
  }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { "x-fragment": "1" }, cache: "no-store" });
    if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    say("wait", "reconnecting");
  }
  asking = false;
  last = Date.now();
}

function swap(page) {
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = page.getElementById(old.id);
    if (!now || now.innerHTML === old.innerHTML) continue;
    const known = new Set([...old.querySelectorAll("[data-key]")].map((one) => one.dataset.key));
    if (known.size) {
      for (const one of now.querySelectorAll("[data-key]")) one.classList.toggle("new", !known.has(one.dataset.key));
    }
    for (const one of old.querySelectorAll("details[open][id]")) {
      const same = now.querySelector(`#${CSS.escape(one.id)}`);
      if (same) same.open = true;
    }
    old.replaceWith(now);
  }
  const stamp = page.querySelector("footer time");
  if (stamp) document.querySelector("footer time").replaceWith(stamp);
  adjust(document);
  missed = 0;
  if (news) news.hidden = true;
  tick();
}

function follow() {
  source?.close();
  source = undefined;
  if (document.hidden || body.dataset.follow === undefined) return;
  if (!body.dataset.follow) return say("wait", "every 15 s");
  source = new EventSource(body.dataset.follow);
  source.onopen = () => {
    lost = 0;
    say(held ? "wait" : "live", held ? "paused" : "live");
    if (Date.now() - last > TOGETHER) due ||= setTimeout(refresh, 0);
  };
  source.onerror = () => {
    lost ||= Date.now();
    say("wait", Date.now() - lost > 30000 ? "every 15 s" : "reconnecting");
    if (source?.readyState === EventSource.CLOSED) setTimeout(follow, POLL);
  };
  source.addEventListener("event", () => {
    missed += 1;
    due ||= setTimeout(refresh, TOGETHER);
  });
  source.addEventListener("gap", () => { due ||= setTimeout(refresh, TOGETHER); });
}

if (body.dataset.follow !== undefined) {
  hold.hidden = false;
  hold.onclick = () => {
    held = !held;
    hold.setAttribute("aria-pressed", held);
    if (held) say("wait", "paused");
    else follow();
  };
  news.onclick = () => refresh(true);
  document.addEventListener("visibilitychange", follow);
  // What changes without an event (how sources stand) is looked at now and then.
  setInterval(() => { if (Date.now() - last >= POLL && !document.hidden) refresh(); }, 1000);
  follow();
}
document.addEventListener("keydown", (key) => {
  if (key.key !== "/" || key.ctrlKey || key.metaKey || key.altKey || /^(input|textarea|select)$/i.test(key.target.tagName)) return;
  const find = document.querySelector("#find");
  if (find) { key.preventDefault(); find.focus(); }
});
const enter = document.querySelector("form[data-enter]");
if (enter && location.hash.length > 1) { // a key for one use, which is sent nowhere before
  enter.elements.key.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  enter.submit();
}
adjust(document);
tick();
setInterval(tick, 1000);
