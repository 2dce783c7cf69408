// Moving cards with the mouse. The menu of a card does the same without one.

/** Watches a board for drags; calls `drop` with task, list and place when one ends on a column. */
export class Dragging {
  #root;
  #drop;
  #dragged = null;
  #mark = document.createElement("li");

  constructor(root, drop) {
    this.#root = root;
    this.#drop = drop;
    this.#mark.className = "drop-mark";
    this.#mark.setAttribute("aria-hidden", "true");
    root.addEventListener("dragstart", (event) => this.#start(event));
    root.addEventListener("dragover", (event) => this.#over(event));
    root.addEventListener("drop", (event) => this.#end(event));
    root.addEventListener("dragend", () => this.#clear());
  }

  #start(event) {
    const card = event.target.closest?.(".card");
    if (!card) return;
    this.#dragged = card;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", card.querySelector(".card-title").textContent);
    // After the browser took its picture of the card.
    requestAnimationFrame(() => card.classList.add("dragged"));
  }

  #over(event) {
    const cards = event.target.closest?.(".column")?.querySelector(".cards");
    if (!this.#dragged || !cards) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
    const before = this.#others(cards).find((card) => event.clientY < middle(card)) ?? null;
    if (this.#mark.parentElement !== cards || this.#mark.nextElementSibling !== before) {
      cards.insertBefore(this.#mark, before);
    }
  }

  #end(event) {
    const column = event.target.closest?.(".column");
    const dragged = this.#dragged;
    if (!dragged || !column) return;
    event.preventDefault();
    const cards = column.querySelector(".cards");
    const position = this.#others(cards).filter((card) => event.clientY >= middle(card)).length;
    this.#clear();
    this.#drop(dragged.dataset.task, column.dataset.list, position);
  }

  #clear() {
    this.#mark.remove();
    this.#dragged?.classList.remove("dragged");
    this.#dragged = null;
  }

  #others(cards) {
    return [...cards.querySelectorAll(".card")].filter((card) => card !== this.#dragged);
  }
}

function middle(element) {
  const { top, height } = element.getBoundingClientRect();
  return top + height / 2;
}
