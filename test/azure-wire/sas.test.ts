import { createHmac } from 'node:crypto';
import { buildSas, DPS_DEVICE_KEY_NAME, dpsResource, hubResource, parseSas, resourceCovers, verifySas } from '@zerotouch/azure-wire/sas';
import fc from 'fast-check';
import t from 'tap';

const key = Buffer.alloc(32, 7);

t.test('a token for DPS in the form of the documentation', async (t) => {
  const token = buildSas({ resource: dpsResource('0ne00000A1B', 'device-1'), key, expiry: 1_700_000_000, keyName: DPS_DEVICE_KEY_NAME });
  const resource = '0ne00000A1B%2Fregistrations%2Fdevice-1';
  const signature = createHmac('sha256', key).update(`${resource}\n1700000000`).digest('base64');
  t.equal(token, `SharedAccessSignature sr=${resource}&sig=${encodeURIComponent(signature)}&se=1700000000&skn=registration`);
});

t.test('whatever is signed is taken apart again and verifies, with this key only', async (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.uint8Array({ minLength: 16, maxLength: 64 }),
      fc.nat({ max: 4_000_000_000 }),
      fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
      (resource, signer, expiry, keyName) => {
        const token = parseSas(buildSas({ resource, key: signer, expiry, ...(keyName === undefined ? {} : { keyName }) }));
        const other = Uint8Array.from(signer, (byte) => byte ^ 1);
        return (
          token.resource === resource &&
          token.expiry === expiry &&
          token.keyName === keyName &&
          verifySas(token, signer) &&
          !verifySas(token, other)
        );
      },
    ),
  );
  t.pass('held for every sample');
});

t.test('the signature covers the resource exactly as it was sent, whatever the encoding', async (t) => {
  for (const sr of ['0ne00000A1B%2Fregistrations%2Fd', '0ne00000a1b%2fregistrations%2fd', '0ne00000A1B/registrations/d']) {
    const sig = encodeURIComponent(createHmac('sha256', key).update(`${sr}\n1700000000`).digest('base64'));
    const token = parseSas(`SharedAccessSignature skn=registration&se=1700000000&sig=${sig}&sr=${sr}`);
    t.ok(verifySas(token, key), sr);
    t.ok(resourceCovers(token.resource, '0ne00000A1B/registrations/d'), sr);
    t.notOk(verifySas({ ...token, signedResource: `${sr}x` }, key));
    t.notOk(verifySas({ ...token, signedExpiry: '1700000001' }, key));
  }
});

t.test('a resource covers what is below it by path segment', async (t) => {
  t.ok(resourceCovers('a/b', 'a/b/c'));
  t.ok(resourceCovers('A/B', 'a/b'));
  t.ok(resourceCovers('hub.azure-devices.net', hubResource('hub.azure-devices.net', 'd')));
  t.notOk(resourceCovers('a/b', 'a/bc'));
  t.notOk(resourceCovers('a/b/c', 'a/b'));
  t.notOk(resourceCovers('', 'a'));
});

t.test('a device id is escaped inside the resource', async (t) => {
  t.equal(hubResource('h.example', 'a#b'), 'h.example/devices/a%23b');
});

t.test('a broken token is refused, and the message does not show it', async (t) => {
  const good = buildSas({ resource: 'r', key, expiry: 1 });
  for (const token of [
    '',
    'Bearer x',
    'SharedAccessSignature ',
    'SharedAccessSignature sr=r',
    good.replace(/sig=[^&]*/, 'sig='),
    good.replace('se=1', 'se=soon'),
    good.replace('se=1', 'se=-1'),
    `${good}&sr=again`,
    good.replace('sr=r', 'sr=%E0%A4%A'),
    good.replace('&', '&&'),
  ]) {
    t.throws(() => parseSas(token), { code: 'BAD_SAS', seen: undefined }, token);
  }
});

t.test('no text makes the parser throw anything but its own fault', async (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('sr', 'sig', 'se', 'skn', '=', '&', '%', '2', 'F') }).map((tail) => `SharedAccessSignature ${tail}`),
  );
  fc.assert(
    fc.property(text, (token) => {
      try {
        return typeof parseSas(token).resource === 'string';
      } catch (error) {
        return (error as { code?: string }).code === 'BAD_SAS';
      }
    }),
    { numRuns: 500 },
  );
  t.pass('held for every sample');
});
