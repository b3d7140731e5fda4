/** The part of a browser's event that is used. */
export interface PageHideEvent {
  /** Whether the page may come back as it is. */
  readonly persisted?: boolean;
}

/** Listens for the page to go away, or no longer. Outside of pages nothing happens. */
export function onPageHide(action: 'add' | 'remove', listener: (event: PageHideEvent) => void): void {
  const target = globalThis as unknown as Record<string, ((type: string, listener: unknown) => void) | undefined>;
  target[`${action}EventListener`]?.('pagehide', listener);
}
