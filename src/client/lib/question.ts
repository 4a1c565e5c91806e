// A question that is open until the person answers or calls it off: code that waits for it reads from top to bottom.

/** The person called it off. */
export class Cancelled extends Error {
  constructor() {
    super('cancelled');
    this.name = 'Cancelled';
  }
}

export class Question<T> {
  #settle: { readonly resolve: (answer: T) => void; readonly reject: (cause: Cancelled) => void } | null =
    null;

  /** Opens the question; one that is open already is called off. Rejects with `Cancelled`. */
  ask(): Promise<T> {
    this.cancel();
    return new Promise<T>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  answer(value: T): void {
    this.#settle?.resolve(value);
    this.#settle = null;
  }

  cancel(): void {
    this.#settle?.reject(new Cancelled());
    this.#settle = null;
  }
}
