// The line to the server: server-sent events, or polling where a page cannot hold a stream open (?poll).

const POLL_MS = 1000;
const SILENCE_MS = 6000;

export function follow(onMessage, onState) {
  if (new URLSearchParams(location.search).has("poll")) return poll(onMessage, onState);
  let last = performance.now();
  let source = null;
  let ended = false;
  const hear = (event) => {
    last = performance.now();
    onState("live");
    onMessage(JSON.parse(event.data));
  };
  const open = () => {
    source?.close();
    source = new EventSource("/api/v1/stream");
    source.addEventListener("snapshot", hear);
    source.addEventListener("delta", hear);
    source.addEventListener("end", () => {
      ended = true;
      source.close();
      onState("ended");
      setTimeout(() => { ended = false; last = performance.now(); open(); }, 5 * POLL_MS);
    });
    source.addEventListener("error", () => { if (!ended) onState("lost"); });
  };
  open();
  setInterval(() => {
    if (ended || performance.now() - last < SILENCE_MS) return;
    last = performance.now();
    onState("lost");
    open();
  }, POLL_MS);
}

async function poll(onMessage, onState) {
  try {
    onMessage(await (await fetch("/api/v1/snapshot")).json());
    onState("live");
  } catch {
    onState("lost");
  }
  setTimeout(() => poll(onMessage, onState), POLL_MS);
}
