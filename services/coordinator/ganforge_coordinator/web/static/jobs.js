// The list of jobs, live: asks every two seconds while it is looked at; an unchanged list is a 304.

import { refresh, say } from "./live.js";

const SECONDS = 2;

async function tick() {
  if (!document.hidden) {
    const reached = await refresh();
    say(reached ? "Live" : "No answer", reached);
  }
  setTimeout(tick, SECONDS * 1000);
}

tick();
