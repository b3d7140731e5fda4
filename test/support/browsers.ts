import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { launch, type Browser } from 'puppeteer-core';

export const BROWSERS = ['chromium', 'firefox'] as const;
export type BrowserName = (typeof BROWSERS)[number];

const PROGRAMS: Record<BrowserName, string[]> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  firefox: ['firefox-esr', 'firefox'],
};

/** Debian's packages; other systems have others. */
const PACKAGES: Record<BrowserName, string> = { chromium: 'chromium', firefox: 'firefox-esr' };

/** Tests run as root in containers, without a GPU, and talk to nobody but the server under test. */
const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

const FIREFOX_PREFERENCES = {
  'app.update.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

/** @throws Error that says what to install: a missing browser never skips a test */
export function findBrowser(name: BrowserName): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const program of PROGRAMS[name]) {
    const found = folders.map((folder) => join(folder, program)).find(isExecutable);
    if (found) return found;
  }
  throw new Error(
    `The browser tests need ${name}, and none of ${PROGRAMS[name].join(', ')} is in PATH. ` +
      `On Debian: apt-get install ${PACKAGES[name]}`,
  );
}

/** Starts a headless browser with an empty profile. Whoever calls this closes it. */
export function launchBrowser(name: BrowserName): Promise<Browser> {
  const executablePath = findBrowser(name);
  return name === 'firefox'
    ? launch({ browser: 'firefox', executablePath, extraPrefsFirefox: FIREFOX_PREFERENCES })
    : launch({ browser: 'chrome', executablePath, args: CHROMIUM_FLAGS });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not here: the next folder may have it
  }
}
