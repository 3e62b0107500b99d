import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { dial } from '@zerotouch/firmware-sim/transport/dial';
import { systemClock } from '@zerotouch/foundation/clock';
import t, { type Test } from 'tap';
import { type Authority, makeAuthority } from './certificates.js';
import { keyIdentity, patient } from './kit.js';

const YEAR = 365 * 24 * 3600_000;
const { attestation } = keyIdentity();

/** Dials a server whose certificate is good between two times, milliseconds from now, by a device's clock. */
async function dialAt(t: Test, authority: Authority, dates: [number, number], now: number) {
  const { certificate, privateKey } = await authority.issue('hub', { names: ['localhost'], dates });
  const server = createServer({ cert: certificate, key: privateKey });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const clock = { ...systemClock, now: () => now };
  const dialled = await dial({ host: 'localhost', port, ca: authority.certificate, attestation }, clock, patient());
  if (dialled.outcome === 'open') dialled.socket.destroy();
  return dialled;
}

t.test("a server's certificate and a device's clock: which of them is wrong is told", async (t) => {
  const authority = await makeAuthority('Test root');
  const now = Date.now();
  const good: [number, number] = [-YEAR / 2, YEAR / 2];
  t.match(await dialAt(t, authority, good, now), { outcome: 'open' });
  t.match(await dialAt(t, authority, good, 5_000), { outcome: 'open' }, 'a clock that was never set judges nothing');
  t.match(await dialAt(t, authority, [-YEAR / 2, -YEAR / 4], 5_000), { outcome: 'open' }, 'not even what has expired');
  const expired = await dialAt(t, authority, [-YEAR / 2, -YEAR / 4], now);
  t.match(expired, { outcome: 'unreachable', detail: /CERT_HAS_EXPIRED/ });
  t.match(expired, { detail: new RegExp(new Date(now).toISOString().slice(0, 10)) }, "with the device's own time beside it");
  t.match(await dialAt(t, authority, [YEAR / 4, YEAR / 2], now), { outcome: 'unreachable', detail: /CERT_NOT_YET_VALID.*clock/ });
  t.match(
    await dialAt(t, authority, [YEAR / 4, YEAR / 2], now + YEAR / 3),
    { outcome: 'open' },
    'the device knows better than the machine that it is later',
  );
  t.match(await dialAt(t, authority, [-YEAR / 2, -YEAR / 4], now + YEAR / 3), {
    outcome: 'unreachable',
    detail: /is expired: .*by this device's clock it is/,
  });
});

t.test('a clock that is not set trusts nobody else for it', async (t) => {
  const [authority, stranger] = [await makeAuthority('Test root'), await makeAuthority('Test root')];
  const { certificate, privateKey } = await stranger.issue('hub', { names: ['localhost'], dates: [YEAR / 4, YEAR / 2] });
  const server = createServer({ cert: certificate, key: privateKey });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const clock = { ...systemClock, now: () => 5_000 };
  const dialled = await dial({ host: 'localhost', port, ca: authority.certificate, attestation }, clock, patient());
  t.match(dialled, { outcome: 'unreachable' });
});
