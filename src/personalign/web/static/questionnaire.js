// Saves each answer as it is ticked, says whether it is saved, and ticks by the keys 1 to 5.
// What could not be sent stays ticked on this page and nowhere else: the computer may be shared.
// Without this script the page's form saves all of its answers at once.

const form = document.getElementById("items");
const note = document.getElementById("saving");
const token = form.querySelector("input[type=hidden]").value;
const waiting = new Map(); // item's number -> answer that the server has not confirmed
let sending = false, refused = false, turning = null, pause = 1000, timer = 0;

function say(key, mark) {
  if (note.textContent !== form.dataset[key]) note.textContent = form.dataset[key];
  note.className = "saving" + (mark ? " " + mark : "");
}

async function send() {
  clearTimeout(timer);
  if (sending || refused || !waiting.size) return;
  sending = true;
  const sent = new Map(waiting);
  let answer = null;
  try {
    answer = await fetch(form.dataset.answers, {
      method: "POST",
      headers: { "content-type": "application/json", "x-form-token": token },
      body: JSON.stringify({ answers: Object.fromEntries(sent) }),
      signal: AbortSignal.timeout(15000),
    });
  } catch { /* no connection: tried again below */ }
  sending = false;
  if (answer && answer.ok) {
    for (const [item, value] of sent) if (waiting.get(item) === value) waiting.delete(item);
    pause = 1000;
    if (waiting.size) return send();
    say("saved");
    if (turning) leave(turning);
  } else if (answer && answer.status >= 400 && answer.status < 500 && ![408, 425, 429].includes(answer.status)) {
    refused = true;
    say("refused", "refused");
  } else {
    say("unsaved", "waiting");
    timer = setTimeout(send, pause);
    pause = Math.min(2 * pause, 30000);
  }
}

function leave(button) {
  turning = null;
  refused = true; // nothing more to send from here: the form takes everything with it
  form.requestSubmit(button);
}

function count() {
  const ticked = [...form.querySelectorAll(".item :checked")];
  const counted = ticked.filter((one) => one.value !== "0" || "countsLeftOut" in form.dataset);
  const bar = document.getElementById("progress"), text = document.getElementById("done");
  bar.value = Number(form.dataset.elsewhere) + counted.length;
  text.textContent = text.dataset.text.replace("#", bar.value);
  bar.setAttribute("aria-label", text.textContent);
}

form.addEventListener("change", (event) => {
  count();
  const number = event.target.name.replace("item-", "");
  waiting.set(number, Number(event.target.value));
  if (!note.classList.contains("waiting")) say("saving");
  send();
});

form.addEventListener("submit", (event) => {
  if (refused || !waiting.size) return;
  event.preventDefault(); // first what is ticked, then the next page: a lost page would lose it
  turning = event.submitter;
  send();
});

addEventListener("online", send);
addEventListener("beforeunload", (event) => { if (waiting.size && !turning && !refused) event.preventDefault(); });

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || !/^[1-5]$/.test(event.key)) return;
  const items = [...form.querySelectorAll(".item")];
  const at = items.findIndex((item) => item.contains(document.activeElement));
  const open = items.findIndex((item) => !item.querySelector(":checked"));
  const here = items[at >= 0 ? at : open];
  if (!here) return; // all are answered and none is in focus: a key too many changes nothing
  const choice = here.querySelector(`input[value="${event.key}"]`);
  event.preventDefault();
  if (!choice.checked) choice.click();
  const next = items[items.indexOf(here) + 1];
  const goal = next ? next.querySelector(":checked") || next.querySelector("input") : form.querySelector("button");
  goal.focus({ preventScroll: true });
  (next || goal).scrollIntoView({ block: "nearest" });
});
