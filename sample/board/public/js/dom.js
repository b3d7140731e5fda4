const SVG = 'http://www.w3.org/2000/svg';

export const byId = (id) => document.getElementById(id);

/** Makes an element. Children are nodes or texts, never HTML: most of what is shown here was typed by somebody else. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Makes an element of an SVG. */
export function drawing(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** An SVG that shows a symbol of the sprite, or nothing yet. */
export function icon(symbol, className = '', viewBox = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  if (className) svg.setAttribute('class', className);
  if (viewBox) svg.setAttribute('viewBox', viewBox);
  if (symbol) svg.appendChild(document.createElementNS(SVG, 'use')).setAttribute('href', `#${symbol}`);
  return svg;
}

/** Storage may be full or forbidden; nothing here depends on it. */
export const remember = {
  get(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // forbidden by the user's settings: as if nothing was stored
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      // as above: the choice is then good for this visit only
    }
  },
};
