// Who has logged in: what the page may do in this person's name, and the way out.

import { byId } from "./dom.js";

function cookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

/** Viewers look; without a login everyone at this machine commands. */
export function mayCommand() {
  return cookie("who") !== "viewer";
}

/** Headers with which the portal takes a change from this page. */
export function proof() {
  return cookie("csrf") ? { "x-csrf-token": cookie("csrf") } : {};
}

export function initLogout() {
  const button = byId("logout");
  button.hidden = !cookie("csrf");
  button.addEventListener("click", async () => {
    await fetch("/logout", { method: "POST", headers: proof() });
    location.assign("/login");
  });
}
