// Signs in with the token of a link such as http://127.0.0.1:8080/#token=gf_..., and takes it out
// of the address bar.

const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("sign-in");
  if (form) {
    form.elements.token.value = token;
    form.requestSubmit();
  } else {
    // Signed in already: a token that works takes over, one that does not changes nothing.
    const answer = await fetch("/session", { method: "POST", body: new URLSearchParams({ token }) });
    if (answer.ok) location.reload();
  }
}
