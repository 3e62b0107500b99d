import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { openAuthority } from '@zerotouch/manufacturing/authority';
import { systemFiles } from '@zerotouch/manufacturing/files';
import type { ManifestDevice } from '@zerotouch/manufacturing/manifest';
import { type ManifestLine, readManifest } from '@zerotouch/manufacturing/manifest-read';
import type { ManifestHead } from '@zerotouch/manufacturing/manifest-record';
import { openManifestSigner } from '@zerotouch/manufacturing/manifest-signer';
import { manifestLines } from '@zerotouch/manufacturing/manifest-write';
import fc from 'fast-check';
import t from 'tap';

const head: ManifestHead = {
  version: 2,
  batch: 'seven',
  idScope: '0ne00000A1B',
  endpoint: 'global.azure-devices-provisioning.net',
  tool: 'zerotouch 0.0.0',
  madeAt: '2026-01-02T03:04:05.000Z',
};

const device = (number: number): ManifestDevice => ({
  registrationId: `pump-${number}`,
  serial: String(number),
  attestation: 'symmetric-key',
  enrolment: 'group',
  enrolmentGroup: 'line-1',
  image: `images/pump-${number}.bin`,
  partitions: { fctry: 'ab'.repeat(32) },
});

const devices = Array.from({ length: 5 }, (_, index) => device(index));

const common = { batch: 'seven', clock: systemClock, entropy: systemEntropy, files: systemFiles };

async function authorityIn(directory: string) {
  const { root } = await openAuthority({ ...common, directory, lines: [], until: new Date(Date.now() + 1e9) });
  if (root === undefined) throw new Error('no root');
  return { root, signer: await openManifestSigner({ ...common, directory, root }) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const problemsOf = (lines: ManifestLine[]): string[] =>
  lines.flatMap(({ problems }) => problems.map(({ code, line }) => `${line} ${code}`));
const trimmed = (lines: string[]): string[] => lines.map((line) => line.trimEnd());

t.test('a signed manifest', async (t) => {
  const directory = t.testdir();
  const { root, signer } = await authorityIn(directory);
  const lines = trimmed(await all(manifestLines(head, devices, signer)));
  const read = (changed: string[]) => all(readManifest(changed, root.certificate));

  t.test('says what went in, in order, and has no problem', async (t) => {
    const found = await read(lines);
    t.strictSame(problemsOf(found), []);
    t.match(found[0]?.record, { type: 'batch', seq: 0, prev: null, ...head });
    t.match(
      found.slice(1, -1).map(({ record }) => record),
      devices.map((entry, index) => ({ type: 'device', seq: index + 1, ...entry })),
    );
    t.match(found.at(-1)?.record, { type: 'end', devices: 5 });
  });

  t.test('every line is JSON, and a JWS that another reader can take apart', (t) => {
    const decoded = (part = ''): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
    for (const line of lines) {
      const { jws } = JSON.parse(line) as { jws: string };
      const [header, payload] = jws.split('.');
      t.match(decoded(header), { alg: 'ES256', typ: 'zerotouch-manifest' });
      t.match(decoded(payload), { seq: Number, type: String });
    }
    t.end();
  });

  t.test('a missing, added, repeated or moved line shows, whichever it is', async (t) => {
    const place = fc.nat(lines.length - 1);
    await fc.assert(
      fc.asyncProperty(place, place, fc.constantFrom('drop', 'repeat', 'swap'), async (a, b, how) => {
        const changed = [...lines];
        const [one = '', other = ''] = [lines[a], lines[b]];
        if (how === 'drop') changed.splice(a, 1);
        else if (how === 'repeat') changed.splice(b, 0, one);
        else if (a === b) return;
        else [changed[a], changed[b]] = [other, one];
        t.not(problemsOf(await read(changed)).length, 0);
      }),
      { numRuns: 40 },
    );
  });

  t.test('a device signed by the same hand but put in from another manifest shows', async (t) => {
    const other = trimmed(await all(manifestLines(head, [device(77)], signer)));
    const changed = [...lines];
    changed.splice(3, 0, other[1] ?? '');
    t.match(problemsOf(await read(changed)), ['4 MANIFEST_CHAIN', '5 MANIFEST_CHAIN', /MANIFEST_INCOMPLETE/]);
  });

  t.test('any changed character shows', async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(lines.length - 1), fc.nat(), async (at, where) => {
        const line = lines[at] ?? '';
        const offset = 8 + (where % (line.length - 10));
        const flipped = line[offset] === 'A' ? 'B' : 'A';
        const changed = lines.with(at, line.slice(0, offset) + flipped + line.slice(offset + 1));
        t.not(problemsOf(await read(changed)).length, 0, `line ${at + 1}, character ${offset}`);
      }),
      { numRuns: 60 },
    );
  });

  t.test('not even a bit that base64url leaves unused', async (t) => {
    const end = lines.at(-1) ?? '';
    const at = end.length - 3;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const changed = alphabet[alphabet.indexOf(end[at] ?? '') ^ 1] ?? '';
    t.match(problemsOf(await read([...lines.slice(0, -1), end.slice(0, at) + changed + end.slice(at + 1)])), [
      /MANIFEST_SIGNATURE/,
      /MANIFEST_INCOMPLETE/,
    ]);
  });

  t.test('one that was cut off has no end', async (t) => {
    t.strictSame(problemsOf(await read(lines.slice(0, 3))), ['4 MANIFEST_INCOMPLETE']);
    t.strictSame(problemsOf(await read([])), ['1 MANIFEST_UNREADABLE']);
  });

  t.test('another root does not vouch for it, and without a root only the signature counts', async (t) => {
    const stranger = await authorityIn(t.testdir());
    t.strictSame(problemsOf(await all(readManifest(lines, stranger.root.certificate))), ['1 MANIFEST_UNTRUSTED']);
    t.strictSame(problemsOf(await all(readManifest(lines, undefined))), []);
  });

  t.test('a line intermediate may not sign one', async (t) => {
    const { chains, root: other } = await openAuthority({
      ...common,
      directory: t.testdir(),
      lines: ['a'],
      until: new Date(Date.now() + 1e9),
    });
    const line = chains.get('a')?.[0];
    if (line === undefined || other === undefined) throw new Error('no line');
    const forged = trimmed(await all(manifestLines(head, devices, { certificate: line.certificate, key: signer.key })));
    t.match(problemsOf(await all(readManifest(forged, other.certificate))), /1 MANIFEST_SIGNATURE|1 MANIFEST_UNTRUSTED/);
  });

  t.test('a damaged line does not hide the next one', async (t) => {
    const changed = lines.with(2, 'garbage').with(4, '{"jws":"a.b.c"}');
    t.match(problemsOf(await read(changed)), ['3 MANIFEST_UNREADABLE', '4 MANIFEST_CHAIN', '5 MANIFEST_SIGNATURE']);
  });

  t.test('a manifest of another version is refused by its version', async (t) => {
    const old = '{\n  "version": 1,\n  "batch": "old"\n}\n'.split('\n');
    t.match(await read(old), [{ line: 1, problems: [{ code: 'MANIFEST_VERSION', summary: /version 1/ }] }]);
    t.match(await read(['{"version":1,"batch":"old"}']), [{ problems: [{ code: 'MANIFEST_VERSION' }] }]);
    const newer = await all(manifestLines({ ...head, version: 3 } as unknown as ManifestHead, devices, signer));
    t.match(await read(trimmed(newer)), [{ problems: [{ code: 'MANIFEST_VERSION', summary: /version 3/ }] }]);
    t.match(await read(['hello']), [{ problems: [{ code: 'MANIFEST_UNREADABLE' }] }]);
  });

  t.test('its key is for its owner only, and the same signer is opened again', async (t) => {
    t.equal(statSync(join(directory, 'manifest.key')).mode & 0o777, 0o600);
    const again = await openManifestSigner({ ...common, directory, root });
    t.strictSame(again.made, []);
    t.equal(again.certificate.fingerprint256, signer.certificate.fingerprint256);
  });

  t.test('a signer that cannot be used is refused with the file', async (t) => {
    const folder = t.testdir();
    const { root: own } = await authorityIn(folder);
    const open = () => openManifestSigner({ ...common, directory: folder, root: own });
    const keyPath = join(folder, 'manifest.key');
    const key = readFileSync(keyPath);
    writeFileSync(keyPath, readFileSync(join(directory, 'manifest.key')));
    await t.rejects(open(), { code: 'AUTHORITY_INVALID', where: keyPath });
    writeFileSync(keyPath, 'no key');
    await t.rejects(open(), { code: 'AUTHORITY_INVALID' });
    await systemFiles.remove(keyPath);
    await t.rejects(open(), { code: 'AUTHORITY_INCOMPLETE', where: keyPath });
    writeFileSync(keyPath, key);
    await t.resolves(open());
    await t.rejects(openManifestSigner({ ...common, directory: folder, root }), {
      code: 'AUTHORITY_INVALID',
      where: join(folder, 'manifest.pem'),
    });
  });
});

t.test('a batch without certificates has a signer of its own, trusted by its own certificate', async (t) => {
  const signer = await openManifestSigner({ ...common, directory: join(t.testdir(), 'ca') });
  const lines = trimmed(await all(manifestLines(head, devices, signer)));
  t.strictSame(problemsOf(await all(readManifest(lines, signer.certificate))), []);
  const other = await openManifestSigner({ ...common, directory: join(t.testdir(), 'other') });
  t.strictSame(problemsOf(await all(readManifest(lines, other.certificate))), ['1 MANIFEST_UNTRUSTED']);
});

t.test('a manifest never holds more than an entry: devices are taken one by one', async (t) => {
  const { signer } = await authorityIn(t.testdir());
  let taken = 0;
  function* source(): Generator<ManifestDevice> {
    for (;;) yield device(taken++);
  }
  const lines = manifestLines(head, source(), signer);
  for (let line = 0; line < 4; line++) await lines.next();
  await lines.return(undefined);
  t.equal(taken, 3);
});
