import type { Player } from './pipe.js';

/** The parts of a page that are used. */
interface Page {
  readonly document?: {
    readonly body?: { append(element: unknown): void } | null;
    createElement(name: string): Element;
  };
  readonly navigator?: {
    readonly mimeTypes?: { namedItem(type: string): { readonly enabledPlugin?: unknown } | null };
  };
  readonly RufflePlayer?: { newest?(): Ruffle | null };
}

interface Element extends Player {
  readonly style: Record<string, string>;
  data?: string;
  type?: string;
  name?: string;
  value?: string;
  append(element: unknown): void;
}

/** Ruffle, an emulator of the Flash player, if the page has loaded it: https://ruffle.rs */
interface Ruffle {
  createPlayer(): Element & { load(options: object): Promise<void> };
}

const TYPE = 'application/x-shockwave-flash';

/**
 * Puts a movie on the page, out of sight, in Ruffle or in the browser's own Flash player.
 *
 * @param failed hears why it cannot be loaded, later.
 * @throws Error when there is no player.
 */
export function createPlayer(url: string, failed: (problem: string) => void): Player {
  const { document, RufflePlayer, navigator } = globalThis as unknown as Page;
  if (!document?.body) throw new Error('there is no page to put a Flash movie on');
  const ruffle = RufflePlayer?.newest?.();
  if (ruffle) {
    const player = ruffle.createPlayer();
    hide(player);
    document.body.append(player);
    // it plays no sound, and shows nothing
    const options = { url, allowScriptAccess: true, autoplay: 'on', unmuteOverlay: 'hidden', splashScreen: false };
    player
      .load({ ...options, letterbox: 'off', contextMenu: 'off', preferredRenderer: 'canvas' })
      .catch((error: unknown) => {
        failed(`the Flash movie cannot be loaded: ${String(error)}`);
      });
    return player;
  }
  if (!navigator?.mimeTypes?.namedItem(TYPE)?.enabledPlugin) throw new Error('there is no Flash player');
  const movie = document.createElement('object');
  const access = Object.assign(document.createElement('param'), { name: 'allowScriptAccess', value: 'sameDomain' });
  movie.append(access);
  hide(Object.assign(movie, { type: TYPE, data: url }));
  document.body.append(movie);
  return movie;
}

/** Out of sight, but not hidden: players stop movies that are. */
function hide({ style }: Element): void {
  Object.assign(style, { position: 'absolute', left: '-9px', top: '-9px', width: '1px', height: '1px' });
}
