// Twenty seconds that show what there is: works the two boards as two people would.

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * @param {{ alice: HTMLIFrameElement, bob: HTMLIFrameElement }} screens
 * @param {(sentence: string, who: "alice" | "bob") => void} say what is going on, and on whose screen to look
 */
export async function play({ alice, bob }, say) {
  const titlesOf = (frame) => [...frame.contentDocument.querySelectorAll(".card-title")];
  const [first] = titlesOf(alice);
  const card = first.closest(".card");
  const { task } = card.dataset;
  const before = { title: first.textContent, listId: card.closest(".column").dataset.list };
  const inFrame = (frame, selector) => frame.contentDocument.querySelector(`[data-task="${task}"] ${selector}`);

  say("Alice moves her pointer. Bob sees where she points.", "bob");
  await glide(alice, { x: 0.7, y: 0.75 }, { x: 0.16, y: 0.2 }, 2_600);

  say("Alice edits a card. Bob sees who it is, and every letter.", "bob");
  inFrame(alice, ".card-title").click();
  const field = inFrame(alice, ".card-edit");
  field.setSelectionRange(field.value.length, field.value.length);
  await wait(500);
  for (const letter of " together") {
    field.setRangeText(letter, field.value.length, field.value.length, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    await wait(190);
  }

  say("Bob would like to edit it, too. He can watch until she is done.", "bob");
  inFrame(bob, ".card-title").click();
  await wait(2_600);
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));

  say("Bob picks the card up with the keyboard and moves it.", "alice");
  await wait(900);
  inFrame(bob, ".card-title").focus();
  for (const key of [" ", "ArrowRight", "ArrowDown", " "]) {
    inFrame(bob, ".card-title").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await wait(850);
  }

  say("Alice reloads her page. Bob is not told that anybody left.", "bob");
  alice.contentWindow.location.reload();
  await wait(3_200);

  say("And everything goes back to where it was.", "alice");
  await write(`/tasks/${task}`, { title: before.title });
  await write(`/tasks/${task}/move`, { listId: before.listId, position: 0 });
  await glide(bob, { x: 0.5, y: 0.3 }, { x: 0.85, y: 0.7 }, 2_000);
}

/** Moves somebody's pointer over their board. */
async function glide(frame, from, to, ms) {
  const columns = frame.contentDocument.getElementById("columns");
  const startedAt = performance.now();
  for (let part = 0; part < 1; ) {
    part = Math.min((performance.now() - startedAt) / ms, 1);
    const eased = part * part * (3 - 2 * part);
    const { left, top, width, height } = columns.getBoundingClientRect();
    const clientX = left + width * (from.x + (to.x - from.x) * eased);
    const clientY = top + height * (from.y + (to.y - from.y) * eased - 0.08 * Math.sin(Math.PI * eased));
    columns.dispatchEvent(new frame.contentWindow.PointerEvent("pointermove", { clientX, clientY }));
    await wait(30);
  }
}

const write = (path, body) =>
  fetch(path, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
