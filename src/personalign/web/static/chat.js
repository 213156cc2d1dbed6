// Replies as they are written: the form is sent with fetch, and server-sent events fill the columns.
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
  let leaving = null; // what ends the reply under way

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (leaving) leaving.abort();
    else if (question.value.trim()) say();
  });

  question.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  async function say() {
    leaving = new AbortController();
    trouble.hidden = true;
    const fields = new FormData(form);
    fields.set("live", "true");
    send.textContent = form.dataset.stop;
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
      if (!ended) lost();
    } catch (error) {
      if (error.name === "AbortError") round.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
      else lost();
    } finally {
      leaving = null;
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
      round.innerHTML = data.html;
      round.scrollIntoView({ block: "start" });
    } else if (name === "words") {
      if (!text.classList.contains("plain")) { text.classList.add("plain"); text.textContent = ""; }
      text.textContent += data.text;
    } else if (name === "reply") {
      text.classList.remove("plain");
      text.innerHTML = data.html; // cleaned by the server
    } else if (name === "end") {
      round.innerHTML = data.html;
      question.value = "";
      for (const field of document.querySelectorAll('input[name="talk"]')) field.value = data.talk;
      const keep = document.getElementById("keep");
      if (keep) keep.hidden = false;
      history.replaceState(null, "", `/chat/talk/${data.talk}`);
      return true;
    } else if (name === "problem") {
      round.remove();
      trouble.textContent = data.text;
      trouble.hidden = false;
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

  function lost() {
    trouble.textContent = form.dataset.lost;
    trouble.hidden = false;
  }
}
