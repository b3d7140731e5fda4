/** A message that asks for no answer. */
export interface Notice {
  id: number;
  text: string;
}

/** What a server says of the notices that it has got: the load generator knows what both must be. */
export interface Tally {
  count: number;
  /** Of all ids. */
  sum: number;
}

/** The one of this process. */
export const tally: Tally = { count: 0, sum: 0 };

export function count({ id }: Notice): void {
  tally.count++;
  tally.sum += id;
}
