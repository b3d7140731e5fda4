/**
 * Everything a client can make the board keep or send is bounded here.
 *
 * Board coordinates are integers; one unit is a tenth of a CSS pixel at 100 % zoom.
 */
export const LIMITS = {
  /** Clients that may have joined at once. */
  members: 200,
  /** Characters of a name. */
  name: 24,
  /** Characters of a chat line or of an announcement. */
  text: 400,
  /** Chat lines kept for newcomers. */
  chatLines: 100,
  /** Largest absolute value of a coordinate, in board units. */
  coordinate: 100_000,
  /** Narrowest and widest line, in board units. */
  minWidth: 5,
  maxWidth: 5_000,
  /** Points one `draw` message may carry. */
  batchPoints: 200,
  /** Points of one stroke; the page starts another stroke after that. */
  strokePoints: 2_000,
  /** Strokes the board keeps; the oldest go first. */
  strokes: 3_000,
  /** Points the board keeps in all its strokes together; the oldest strokes go first. */
  points: 60_000,
} as const;

export const TOOLS = ['pen', 'eraser'] as const;

/** Inks by name: the page picks the shade that suits its colour scheme. */
export const INKS = ['ink', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'violet'] as const;

/** What one can react with; the page has a picture of each. */
export const REACTIONS = ['heart', 'star', 'thumb', 'laugh', 'party'] as const;

/** How many colours there are to tell people apart. */
export const PERSON_COLOURS = 10;
