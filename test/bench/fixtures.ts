/** Results as scenarios give them. */

export interface Row {
  id: string;
  isOurs: boolean;
  samples: Record<string, number[]>;
}

/** A scenario named `echo` in which ours takes half of what the peer takes, in three rounds. */
export function echoResult(rows: Row[] = [ours([5, 6, 4]), peer([10, 12, 8])]) {
  return {
    name: 'echo',
    title: 'echo <with> a guard',
    figures: [
      { key: 'cpu', title: 'µs CPU', digits: 1 },
      { key: 'rate', title: 'messages/s', digits: 0 },
    ],
    ratioOf: ['cpu'],
    pairs: undefined as string[][] | undefined,
    rows,
    warnings: [] as string[],
  };
}

export const ours = (cpu: number[]): Row => ({ id: 'nestwire', isOurs: true, samples: { cpu } });
export const peer = (cpu: number[], id = 'peer'): Row => ({ id, isOurs: false, samples: { cpu } });

export const ABOUT = {
  date: '2026-01-02T03:04:05.000Z',
  isQuick: false,
  versions: { node: '20.0.0', nestwire: '0.1.0' },
  machine: { cpu: 'A CPU', cores: 2, memoryGb: 8, system: 'Linux 6', isPinned: true, descriptors: 20_000 },
};
