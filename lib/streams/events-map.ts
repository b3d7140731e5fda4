/**
 * Events by name, as functions of what they carry: the maps that socket.io's own types take.
 *
 * ```ts
 * interface BoardEvents {
 *   strokes(strokes: StrokeDto[]): void;
 * }
 * ```
 */
// an interface has no index signature, so `any` is what lets one in
export type EventsMap = Record<string, any>;
