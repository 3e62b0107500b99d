import { fileURLToPath } from 'node:url';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { openWebView, type WebView } from '@zerotouch/cloud-sim/web/web';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Test } from 'tap';

/** How long something may take to be seen; nothing is shown by how fast it comes. Milliseconds. */
export const PATIENCE_MS = 300_000;

/** The page as `npm run build` makes it. */
const PAGE = fileURLToPath(new URL('../../../web-view/build/page/', import.meta.url));

/** The browser that scripts/services.sh found; without it, service tests fail and do not skip. */
export async function browserFor(t: Test): Promise<Browser> {
  const executablePath = process.env.ZT_TEST_CHROMIUM;
  if (executablePath === undefined) throw new Error('ZT_TEST_CHROMIUM is not set: run npm run test:services');
  // Root, as in a container, cannot have the sandbox; the only page that is opened is ours.
  const browser = await chromium.launch({ executablePath, chromiumSandbox: false });
  t.teardown(() => browser.close());
  return browser;
}

/** A person who looks at a cloud. What the page logs as an error fails the test. */
export async function lookAt(
  t: Test,
  browser: Browser,
  cloud: Cloud,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; view: WebView }> {
  const view = await openWebView({ cloud, page: PAGE });
  t.teardown(() => view.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('console', (message) => {
    // An answer that says no is the browser's to log, and the page's to show.
    const isAnswer = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isAnswer) t.fail(`the page logs: ${message.text()}`);
  });
  page.on('pageerror', (error) => t.fail(`the page throws: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${view.port}/`)) t.fail(`the page asks ${request.url()}`);
  });
  await page.goto(view.url);
  await page.getByText('live', { exact: true }).waitFor();
  return { page, view };
}

/** Follows a link of the page's own, as an address. */
export async function goTo(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

/** What axe-core, which we did not write, finds wrong for people who do not see, hear or point well: WCAG 2.2 A and AA. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => {
    const { axe: judge } = globalThis as unknown as { axe: typeof axe };
    return judge.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
  });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}
