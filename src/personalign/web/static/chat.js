// Replies as they are written: the form is sent with fetch, and server-sent events fill the columns.
// Stopping asks the server to end them: the stream ends as any other, with what was said until then.
// Without this file the form works as it is, and the page comes back with whole replies.

const form = document.getElementById("say");
const log = document.getElementById("talk");
const slider = document.getElementById("alpha");
const shown = document.getElementById("alpha-shown");

if (slider) {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  const show = () => { shown.value = Number(slider.value).toLocaleString(document.documentElement.lang, digits); };
  slider.addEventListener("input", show);
  show();
}

if (form && window.ReadableStream) {
  const send = document.getElementById("send");
  const trouble = document.getElementById("trouble");
  const question = document.getElementById("question");
  const sendText = send.textContent;
  let writing = null; // the question under way: its text, its number once it is known, what leaves it

  form.addEventListener("submit", (event) => {
    event.preventDefault(); // while a reply is written, Enter anywhere sends nothing and stops nothing
    if (!writing && question.value.trim()) say();
  });

  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  send.addEventListener("click", () => { if (writing) stop(); });

  async function stop() {
    const { number, leaving } = writing;
    send.disabled = true;
    if (!number) return leaving.abort(); // nothing has been said
    const fields = new URLSearchParams({ asking: number });
    const token = form.querySelector("input[type=hidden]");
    fields.set(token.name, token.value);
    try {
      const answer = await fetch(form.dataset.stops, { method: "POST", body: fields, signal: AbortSignal.timeout(15000) });
      if (answer.ok || answer.status === 404) return; // 404: it had just ended
    } catch { /* no connection */ }
    leaving.abort();
  }

  async function say() {
    const leaving = new AbortController();
    writing = { text: question.value, number: null, leaving };
    trouble.hidden = true;
    const fields = new FormData(form);
    fields.set("live", "true");
    send.textContent = form.dataset.stop;
    send.type = "button"; // no button of the form's: Enter in a field does not press it
    question.required = false;
    const round = document.createElement("div");
    log.append(round);
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(fields), signal: leaving.signal });
      if (!(answer.headers.get("content-type") || "").startsWith("text/event-stream")) {
        round.remove();
        refused(await answer.text());
        return;
      }
      const ended = await read(answer, round);
      if (!ended) lost(round);
    } catch (error) {
      if (error.name === "AbortError" && !writing.number) round.remove();
      else lost(round);
    } finally {
      writing = null;
      send.disabled = false;
      send.type = "submit";
      send.textContent = sendText;
      question.required = true;
    }
  }

  async function read(answer, round) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    let ended = false;
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return ended;
      held += value;
      const events = held.split("\n\n");
      held = events.pop();
      for (const event of events) {
        const [name, data] = event.split("\ndata: ");
        ended = take(name.replace("event: ", ""), JSON.parse(data), round) || ended;
      }
    }
  }

  // One event; true where it was the last.
  function take(name, data, round) {
    const text = data.speaker && round.querySelector(`[data-speaker="${data.speaker}"] .text`);
    if (name === "begin") {
      writing.number = data.asking;
      round.innerHTML = data.html;
      round.scrollIntoView({ block: "start" });
      if (question.value === writing.text) question.value = ""; // what is typed from now on stays
    } else if (name === "words") {
      if (!text.classList.contains("plain")) { text.classList.add("plain"); text.textContent = ""; }
      text.textContent += data.text;
    } else if (name === "reply") {
      text.classList.remove("plain");
      text.innerHTML = data.html; // cleaned by the server
    } else if (name === "end") {
      round.innerHTML = data.html;
      for (const field of document.querySelectorAll('input[name="talk"]')) field.value = data.talk;
      const keep = document.getElementById("keep");
      if (keep) keep.hidden = false;
      history.replaceState(null, "", `/chat/talk/${data.talk}`);
      return true;
    } else if (name === "problem") {
      gone(round, data.text);
      return true;
    }
    return false;
  }

  // The page that would have come says what is wrong; the question stays in its field.
  function refused(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    trouble.textContent = page.querySelector("main h1 + p")?.textContent ?? form.dataset.lost;
    const link = page.querySelector("main .actions a");
    const afresh = page.getElementById("afresh"); // where the conversation is forgotten
    if (afresh) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = afresh.textContent;
      button.addEventListener("click", askAfresh);
      trouble.append(document.createElement("br"), button);
    } else if (link) {
      trouble.append(" ", document.adoptNode(link));
    }
    trouble.hidden = false;
  }

  function askAfresh() {
    for (const field of document.querySelectorAll('input[name="talk"]')) field.value = "";
    log.replaceChildren();
    say();
  }

  function lost(round) {
    gone(round, form.dataset.lost);
  }

  // What is not remembered is not shown; its question can be asked again.
  function gone(round, why) {
    round.remove();
    if (!question.value) question.value = writing.text;
    trouble.textContent = why;
    trouble.hidden = false;
  }
}
