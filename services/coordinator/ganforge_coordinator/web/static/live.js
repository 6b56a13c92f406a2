// Keeps the parts of a page marked data-live as the server has them now.

/** Fetches the page again and takes over what changed; gives false when nobody answered. */
export async function refresh(url = location.href) {
  let answer;
  try {
    answer = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-cache" });
  } catch {
    return false;
  }
  if (answer.status === 401) {
    location.reload();
    return false;
  }
  if (!answer.ok) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (document.title !== fresh.title) document.title = fresh.title;
  for (const want of fresh.querySelectorAll("[data-live]")) {
    const have = document.getElementById(want.id);
    if (have) morph(have, want);
  }
  return true;
}

/** Makes one element like another, touching only what differs: focus and pictures stay. */
function morph(have, want) {
  for (const { name, value } of want.attributes) {
    if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
  for (const name of have.getAttributeNames()) {
    if (!want.hasAttribute(name)) have.removeAttribute(name);
  }
  let at = have.firstChild;
  for (const child of [...want.childNodes]) {
    const match = matching(at, child);
    if (!match) {
      have.insertBefore(child, at);
      continue;
    }
    while (at !== match) at = dropped(at);
    at = match.nextSibling;
    if (match.nodeType === Node.ELEMENT_NODE) morph(match, child);
    else if (match.data !== child.data) match.data = child.data;
  }
  while (at) at = dropped(at);
}

/** Finds the sibling from `at` on that stands for `want`: by its id, or else the very next. */
function matching(at, want) {
  if (!want.id) return at && !at.id && at.nodeName === want.nodeName ? at : null;
  for (let node = at; node; node = node.nextSibling) {
    if (node.id === want.id && node.nodeName === want.nodeName) return node;
  }
  return null;
}

function dropped(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** Says in the page's head whether what one sees is live. */
export function say(text, isLive) {
  const live = document.getElementById("live");
  live.hidden = false;
  live.classList.toggle("on", isLive);
  if (live.textContent !== text) live.textContent = text;
}
