import { byId, element, remember } from './dom.js';

const INKS = ['ink', 'red', 'orange', 'yellow', 'green', 'teal', 'blue', 'violet'];
const INK_NAMES = { ink: 'Black or white' };

/** The drawing tools. `settings()` says what is chosen. */
export function toolbar({ canvas, undo, clear, zoom, fit }) {
  const form = byId('toolbar');
  INKS.forEach((ink, i) => {
    const label = INK_NAMES[ink] ?? ink[0].toUpperCase() + ink.slice(1);
    const input = element('input', { type: 'radio', name: 'ink', value: ink, 'aria-label': label });
    input.checked = ink === 'ink';
    const swatch = element('label', { class: 'ink', title: `${label} (${i + 1})` }, input, element('i'));
    swatch.style.setProperty('--this', `var(--ink-${ink})`);
    byId('inks').append(swatch);
  });
  const choose = (name, value) => {
    form.elements[name].value = value;
    canvas.dataset.tool = form.elements.tool.value;
  };
  form.addEventListener('change', ({ target }) => {
    // Who picks a colour wants to write with it.
    if (target.name === 'ink') choose('tool', 'pen');
    canvas.dataset.tool = form.elements.tool.value;
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  byId('undo').addEventListener('click', undo);
  byId('clear').addEventListener('click', clear);
  byId('zoom-in').addEventListener('click', () => zoom(1.25));
  byId('zoom-out').addEventListener('click', () => zoom(0.8));
  byId('zoom-fit').addEventListener('click', fit);

  const widths = [...form.elements.width].map(({ value }) => value);
  const widen = (step) => {
    const i = widths.indexOf(form.elements.width.value) + step;
    choose('width', widths[Math.max(0, Math.min(widths.length - 1, i))]);
  };
  const keys = {
    p: () => choose('tool', 'pen'),
    e: () => choose('tool', 'eraser'),
    h: () => choose('tool', 'hand'),
    '[': () => widen(-1),
    ']': () => widen(1),
    '+': () => zoom(1.25),
    '-': () => zoom(0.8),
    0: fit,
  };
  document.addEventListener('keydown', (event) => {
    // Single keys count only where they cannot be meant for something else.
    if ((event.target !== canvas && event.target !== document.body) || document.querySelector('dialog[open]')) return;
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z') undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (Object.hasOwn(keys, event.key.toLowerCase())) keys[event.key.toLowerCase()]();
    else if (INKS[Number(event.key) - 1]) {
      choose('ink', INKS[Number(event.key) - 1]);
      choose('tool', 'pen');
    } else return;
    event.preventDefault();
  });
  return () => ({
    tool: form.elements.tool.value,
    ink: form.elements.ink.value,
    width: Number(form.elements.width.value),
  });
}

/** Automatic, light, dark; `changed` is called whenever the colours may be others. */
export function themeButton(changed) {
  const themes = ['automatic', 'light', 'dark'];
  let theme = themes.includes(remember.get('board.theme')) ? remember.get('board.theme') : 'automatic';
  const apply = () => {
    if (theme === 'automatic') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    byId('theme-label').textContent = `Colour scheme: ${theme}`;
    byId('theme').title = `Colour scheme: ${theme}`;
    changed();
  };
  byId('theme').addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    remember.set('board.theme', theme);
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  apply();
}

const PANELS = ['connection', 'people', 'chat'];

/** On narrow screens the side is a sheet with a tab for each panel. @returns whether the chat can be seen now */
export function sheet({ chatShown }) {
  const side = byId('side');
  const narrow = matchMedia('(max-width: 860px)');
  const openers = PANELS.map((panel) => byId(`open-${panel}`));
  let opener = null;
  const show = (panel) => {
    side.dataset.panel = panel;
    for (const name of PANELS) byId(`tab-${name}`).setAttribute('aria-pressed', String(name === panel));
    if (panel === 'chat') chatShown();
  };
  const open = (panel) => {
    show(panel);
    side.classList.add('open');
    opener = byId(`open-${panel}`);
    opener.setAttribute('aria-expanded', 'true');
    byId('close-sheet').focus({ preventScroll: true });
  };
  const close = () => {
    if (!side.classList.contains('open')) return;
    side.classList.remove('open');
    for (const button of openers) button.setAttribute('aria-expanded', 'false');
    opener.focus({ preventScroll: true });
  };
  for (const panel of PANELS) {
    byId(`open-${panel}`).addEventListener('click', () => open(panel));
    byId(`tab-${panel}`).addEventListener('click', () => show(panel));
  }
  byId('close-sheet').addEventListener('click', close);
  byId('canvas').addEventListener('pointerdown', close);
  side.addEventListener('keydown', ({ key }) => key === 'Escape' && close());
  narrow.addEventListener('change', close);
  show('people');
  return () => !narrow.matches || (side.classList.contains('open') && side.dataset.panel === 'chat');
}
