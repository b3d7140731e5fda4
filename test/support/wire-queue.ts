/** Values that arrive on their own (packets, sessions, errors), read one at a time in the order of arrival. */
export class Queue<T> {
  private readonly values: T[] = [];
  private readonly readers: ((value: T) => void)[] = [];

  push(value: T): void {
    const reader = this.readers.shift();
    if (reader) reader(value);
    else this.values.push(value);
  }

  next(): Promise<T> {
    if (this.values.length > 0) return Promise.resolve(this.values.shift() as T);
    return new Promise((resolve) => this.readers.push(resolve));
  }

  async take(count: number): Promise<T[]> {
    const taken: T[] = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }

  /** What has arrived and was not read yet, without waiting. */
  drain(): T[] {
    return this.values.splice(0);
  }

  get size(): number {
    return this.values.length;
  }
}
