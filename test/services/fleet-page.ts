import { fileURLToPath } from 'node:url';
import { openLiveView } from '@zerotouch/fleet-sim/live/live-view';
import type { FleetWatch } from '@zerotouch/fleet-sim/live/watch';
import type { Locator, Page } from 'playwright-core';
import type { Test } from 'tap';
import { browserFor } from './browser.js';

const PAGE = fileURLToPath(new URL('../../../web-view/build/page/', import.meta.url));

/** A person who looks at a fleet. What is waited for may take as long as it takes: the suite itself is bounded. */
export async function lookAtFleet(t: Test, watch: FleetWatch): Promise<Page> {
  const view = await openLiveView({ watch, page: PAGE });
  t.teardown(() => view.close());
  const browser = await browserFor(t);
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(0);
  page.on('pageerror', (error) => t.fail(`the page throws: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${view.port}/`)) t.fail(`the page asks ${request.url()}`);
  });
  await page.goto(view.url);
  await page.getByText('live', { exact: true }).waitFor();
  t.notMatch(page.url(), /token/, 'the token leaves the address at once');
  return page;
}

/** The number of a tile. */
export const tile = (page: Page, name: string): Locator =>
  page.locator('.tile', { has: page.getByText(name, { exact: true }) }).locator('dd');

/** What a tile shows. */
export const shown = async (page: Page, name: string): Promise<number> =>
  Number((await tile(page, name).textContent())?.replaceAll(',', ''));

/** Waits until a tile shows this. */
export const shows = (page: Page, name: string, count: number): Promise<void> =>
  tile(page, name).getByText(count.toLocaleString('en'), { exact: true }).waitFor();
