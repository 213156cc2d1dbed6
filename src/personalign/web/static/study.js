// Votes by the keys A, B and N, and a button that copies links. Pages work without it.

const buttons = document.querySelectorAll("button[data-key]");
const wanted = document.querySelector("#keys-wanted");

if (buttons.length && wanted) {
  // Single letters can get in the way of speech control and screen readers: they can be turned off.
  const kept = "personalign keys";
  wanted.checked = sessionStorage.getItem(kept) !== "off";
  wanted.closest("label").hidden = false;
  wanted.addEventListener("change", () => {
    sessionStorage.setItem(kept, wanted.checked ? "on" : "off");
  });
  let sent = false;
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("input[type=text], textarea, select");
    if (!wanted.checked || sent || event.repeat || writing) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    const button = [...buttons].find((one) => one.dataset.key === key);
    if (!button) return;
    sent = true;
    event.preventDefault();
    button.click();
  });
}

for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    await navigator.clipboard.writeText(source.value);
    document.getElementById(button.dataset.tells).textContent = button.dataset.done;
  });
}
