// A job's page, live: its losses point by point, its newest grid, its state.

import { LossChart, number, whole } from "./chart.js";
import { Gallery } from "./gallery.js";
import { refresh, say } from "./live.js";
import { Points } from "./points.js";

const REFRESH_MS = 1000;
const REOPEN_MS = 4000;
const ROWS = 24;

const byId = (id) => document.getElementById(id);
const root = byId("chart");
const points = new Points(root.dataset.job);
const chart = new LossChart(root, byId("legend"), JSON.parse(root.dataset.labels));
const gallery = new Gallery({
  onshow: (iteration) => chart.markIteration(iteration),
  announce: (text) => (byId("news").textContent = text),
});

let seen = Number(root.dataset.after);
let source = null;
let isOver = false;
let refreshing = null;

/** Renews the page's words and buttons, at most once a second. */
function renew() {
  refreshing ??= setTimeout(async () => {
    await refresh(`${location.pathname}?live=true`);
    refreshing = null;
  }, REFRESH_MS);
}

function draw() {
  chart.show(points);
  if (byId("table").open) fillTable();
}

/** Follows the job's events from the last one seen; a broken connection opens itself again. */
function follow() {
  if (source || document.hidden) return;
  if (isOver && byId("head").dataset.over === "true") return renew();
  source = new EventSource(`/v1/jobs/${points.job}/events?after=${seen}`);
  source.addEventListener("open", () => say("Live", true));
  source.addEventListener("progress", (event) => {
    const { iterations, series } = take(event);
    points.append(iterations, series);
    if (points.isFull) points.load().then(draw);
    else draw();
    renew();
  });
  source.addEventListener("snapshot", (event) => {
    const { versions, iteration } = take(event);
    const version = versions[gallery.network];
    if (version !== undefined) gallery.add(version, iteration);
    renew();
  });
  source.addEventListener("collapse", (event) => {
    byId("news").textContent = `The generator has collapsed: ${take(event).detail}`;
    renew();
  });
  source.addEventListener("quality", (event) => {
    take(event);
    renew();
  });
  source.addEventListener("state", (event) => {
    const { resumeIteration, state } = take(event);
    if (resumeIteration !== undefined) points.rewind(resumeIteration);
    if (state) byId("news").textContent = `The job is ${state.toLowerCase()}`;
    draw();
    renew();
  });
  source.addEventListener("error", () => {
    // CONNECTING: the browser opens it again by itself, with Last-Event-ID.
    if (source?.readyState === EventSource.CONNECTING) return say("Reconnecting", false);
    leave();
    isOver = byId("head").dataset.over === "true";
    say(isOver ? "Finished" : "No answer", false);
    renew();
  });
}

function take(event) {
  const told = JSON.parse(event.data);
  seen = told.id;
  return told.data;
}

function leave() {
  source?.close();
  source = null;
}

/** Shows few points, evenly spread, the newest last, as the server did when the page came. */
function fillTable() {
  const names = [...points.series.keys()];
  const total = points.iterations.length;
  const step = Math.max(1, Math.ceil(total / ROWS));
  const cell = (tag, text) => {
    const made = document.createElement(tag);
    made.className = "n";
    made.textContent = text;
    if (tag === "th") made.scope = "row";
    return made;
  };
  const head = ["Iteration", ...names.map((name) => chart.label(name))].map((text) => cell("th", text));
  head.forEach((made) => (made.scope = "col"));
  byId("table-head").replaceChildren(...head);
  const rows = [];
  for (let place = (total - 1) % step; total && place < total; place += step) {
    const row = document.createElement("tr");
    row.append(cell("th", whole(points.iterations[place])));
    for (const name of names) row.append(cell("td", number(points.series.get(name)[place])));
    rows.push(row);
  }
  byId("table-body").replaceChildren(...rows);
}

function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const words = button.textContent;
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = words), 1500);
    });
  }
}

function wire() {
  byId("chart-tools").hidden = false;
  byId("trend").addEventListener("change", (event) => chart.set("trend", event.target.checked));
  byId("log").addEventListener("change", (event) => chart.set("log", event.target.checked));
  byId("whole").addEventListener("click", () => chart.showWhole());
  chart.onzoom = () => (byId("whole").disabled = !chart.isZoomed);
  byId("table").addEventListener("toggle", draw);
  // An open stream holds one of the six connections that a browser grants a server.
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
  addEventListener("pagehide", leave);
  // Somebody else may have retried a job that was over.
  setInterval(follow, REOPEN_MS);
  copyButtons();
}

wire();
// Without the history, the events tell it from the beginning.
if (!(await points.load())) seen = 0;
draw();
follow();
