// Keeps an open page true: changes come as server-sent events, whole lists by loading
// them again. Without this script everything can be read; it is as old as its loading.
"use strict";
(() => {
  const body = document.body;
  const mode = body.dataset.live;
  const connection = document.getElementById("connection");
  const news = document.getElementById("news");
  const STALE = 40_000; // the server says something every 15 s
  const SHOWN = 20; // incidents above the list
  let offset = 0; // of the server's clock
  let heard = performance.now();
  let source = null;
  let again = null;
  let loaded = 0;

  const find = (id) => document.getElementById(id);
  const now = () => Date.now() + offset;

  // Words of times, as the server writes them.
  function span(milliseconds) {
    const seconds = Math.floor(milliseconds / 1000);
    const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"],
      [Math.floor(seconds / 60) % 60, "m"], [seconds % 60, "s"]];
    while (parts.length > 1 && !parts[0][0]) parts.shift();
    return parts.slice(0, 2).filter(([count], place) => place === 0 || count)
      .map(([count, unit]) => count + unit).join(" ");
  }

  function tell(times) {
    for (const time of times) {
      const away = new Date(time.dateTime) - now();
      const words = span(Math.abs(away));
      const text = time.dataset.as === "span" ? words : away > 0 ? `in ${words}` : `${words} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
  }

  function status(name, text) {
    if (connection.className !== name && name === "lost") news.textContent = text;
    connection.className = name;
    connection.textContent = text;
  }

  function listen(event) {
    heard = performance.now();
    const told = JSON.parse(event.data);
    offset = new Date(told.time) - Date.now();
    body.dataset.version = event.lastEventId;
    status("live", `Live, as of ${told.time.slice(11, 19)} UTC`);
    body.dataset.heard = told.time;
    return told;
  }

  function lost() {
    const since = body.dataset.heard || find("as-of")?.dateTime || "";
    status("lost", `Not live: this is how it was at ${since.slice(11, 19)} UTC. Trying again.`);
  }

  // What changed, one by one.
  function made(html) {
    const template = document.createElement("template");
    template.innerHTML = html; // the server has escaped all text of users
    return template.content.firstElementChild;
  }

  function swap(old, fresh) {
    const link = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (link) fresh.querySelector("a")?.focus({ preventScroll: true });
  }

  function asked(row) {
    const { namespace, text } = body.dataset;
    return (!namespace || row.namespace === namespace) && (!text || row.text.includes(text));
  }

  function showRow(row) {
    const old = find(`m:${row.key}`);
    if (!old) return true;
    const flipped = old.dataset.state !== row.state;
    const fresh = made(`<table><tbody>${row.row}</tbody></table>`).querySelector("tr");
    if (flipped) {
      fresh.classList.add("fresh");
      news.textContent = row.said;
    }
    swap(old, fresh);
    return flipped;
  }

  function showIncident(row) {
    const old = find(`i:${row.key}`);
    const list = find("incident-list");
    if (!row.incident || !asked(row)) old?.remove();
    else if (old) swap(old, made(row.incident));
    else {
      list.prepend(made(row.incident));
      news.textContent = row.said;
      while (list.children.length > SHOWN) list.lastElementChild.remove();
    }
    find("no-incidents").hidden = list.children.length > 0;
  }

  function count(html) {
    find("counts").innerHTML = html;
    const numbers = [...document.querySelectorAll("#counts b")].map((each) => each.textContent);
    document.title = `${numbers[0]} Down, ${numbers[1]} Unknown · Heartbeats`;
  }

  function change(told) {
    if (mode === "monitor") {
      const key = body.dataset.key;
      if (told.gone.includes(key) || told.rows.some((row) => row.key === key)) load(0);
      return;
    }
    if (mode === "reload") return void load(0);
    count(told.counts);
    let moved = told.gone.length > 0;
    for (const row of told.rows) {
      moved = showRow(row) || moved;
      showIncident(row);
    }
    for (const key of told.gone) for (const kind of ["m", "i"]) find(`${kind}:${key}`)?.remove();
    tell(document.querySelectorAll("time[data-as]"));
    if (moved) load(30_000); // the order may be another one
  }

  // All of it again, at most every few seconds, and not all pages in the same moment.
  function load(rest) {
    if (again) return;
    const pause = Math.max(loaded + 3_000 - performance.now(), rest, 0);
    again = setTimeout(async () => {
      again = null;
      loaded = performance.now();
      try {
        const answer = await fetch(location.href, { cache: "no-store" });
        if (!answer.ok) return void location.reload();
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } catch {
        lost();
      }
    }, pause + Math.random() * Math.min(1_000 + pause, 3_000));
  }

  function show(fresh) {
    const focused = document.activeElement?.closest("[id]")?.id;
    for (const id of ["counts", "incidents", "list"]) {
      const part = fresh.getElementById(id);
      if (part && find(id)) find(id).replaceWith(document.adoptNode(part));
    }
    document.title = fresh.title;
    if (focused && document.activeElement === body) {
      const place = find(focused);
      (place?.querySelector("a") ?? place)?.focus({ preventScroll: true });
    }
  }

  function connect() {
    source?.close();
    heard = performance.now();
    source = new EventSource(`/events?since=${body.dataset.version}`);
    source.addEventListener("tick", listen);
    source.addEventListener("change", (event) => change(listen(event)));
    source.addEventListener("reload", (event) => {
      listen(event);
      if (mode === "wait") location.reload();
      else load(0);
    });
    source.addEventListener("error", () => {
      lost();
      // A refusal is final for the browser, not for us.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 10_000 + Math.random() * 5_000);
    });
  }

  setInterval(() => {
    if (performance.now() - heard > STALE) {
      lost();
      connect();
    }
    if (!document.hidden) tell(document.querySelectorAll("time[data-as]"));
  }, 5_000);
  if (mode) connect();
})();
