import { element } from './dom.js';
import { isLegacy } from './transports.js';

/** A page without legacy transports does not load them. Both files are served by the adapter. */
const file = isLegacy ? 'nestwire.legacy.js' : 'nestwire.js';

await new Promise((loaded, failed) => {
  const script = element('script', { src: `/socket.io/${file}` });
  script.addEventListener('load', loaded);
  script.addEventListener('error', () => failed(new Error(`${script.src} did not load`)));
  document.head.append(script);
});

/** What the script has put there. */
export const { connect } = globalThis.nestwire;
