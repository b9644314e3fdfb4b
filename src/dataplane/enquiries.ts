/** Questions to a worker that wait for their answers. */
export class Enquiries<Answer> {
  readonly #waiting = new Map<number, (answers: Answer[]) => void>();
  #last = 0;

  /** Asks by `post`, which is given the number that the answer has to bear. */
  ask(post: (request: number) => void): Promise<Answer[]> {
    const request = ++this.#last;
    return new Promise(resolve => {
      this.#waiting.set(request, resolve);
      post(request);
    });
  }

  answer(request: number, answers: Answer[]): void {
    this.#waiting.get(request)?.(answers);
    this.#waiting.delete(request);
  }

  /** Nobody will answer any more: the answer to everything is "nothing". */
  end(): void {
    for (const request of [...this.#waiting.keys()]) this.answer(request, []);
  }
}
