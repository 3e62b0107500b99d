import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditImage } from '@zerotouch/manufacturing/audit/image-audit';
import fc from 'fast-check';
import t from 'tap';
import { burn, clockAt } from '../workbench.js';
import { found, largerSpec, sameSpec, spec } from './batch-cases.js';
import { context, craft, pki, texts } from './craft.js';

/** Factory data in the smallest partition that can be read, and an application twice as large. */
const OWN_LAYOUT = `esp_secure_cert, 0x3F, 6, 0xd000, 8K, readonly
nvs, data, nvs, 0x10000, 0x6000
fctry, data, nvs, 0x16000, 4K, readonly
factory, app, factory, 0x20000, 2M
`;

const codesIn = async (findings: ReturnType<typeof found>): Promise<string[]> => (await findings).map(({ code }) => code);

t.test('a batch as it was burnt has no finding', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(spec, out);
  t.strictSame(await found(out), []);
  t.strictSame(await found(out, { spec: sameSpec }), []);
  t.strictSame(await found(join(out, 'images')), [], 'nor have its images by themselves');
  t.strictSame(await found(join(out, 'images', 'x-000001.bin'), { manifest: join(out, 'manifest.jsonl') }), []);

  t.test('and what the spec plans beyond it is missing', async (t) => {
    t.match(await found(out, { spec: largerSpec }), [{ image: null, code: 'IMAGE_MISSING', reason: /k-000005/ }]);
  });

  t.test('its certificates run out, seen from later', async (t) => {
    const later = await codesIn(found(out, { clock: clockAt('2034-01-01T00:00:00Z'), horizonDays: 3650 }));
    t.ok(later.includes('LEAF_EXPIRES'));
    t.notOk(later.includes('LEAF_EXPIRED'));
  });

  t.test('with its manifest, any flipped bit of a read-only partition is noticed', async (t) => {
    const image = join(out, 'images', 'x-000002.bin');
    const sound = readFileSync(image);
    const offset = fc.oneof(
      fc.integer({ min: 0xd000, max: 0xefff }),
      fc.integer({ min: 0x16000, max: 0x18fff }),
      fc.integer({ min: 0x8000, max: 0x8bff }),
    );
    await fc.assert(
      fc.asyncProperty(offset, fc.nat(7), async (at, bit) => {
        const bytes = Buffer.from(sound);
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
        writeFileSync(image, bytes);
        const errors = (await found(out)).filter(({ severity, image: path }) => severity === 'error' && path === image);
        t.not(errors.length, 0, `bit ${bit} at 0x${at.toString(16)}`);
        const alone = await found(image, { manifest: join(out, 'manifest.jsonl') });
        t.not(alone.length, 0);
      }),
      { numRuns: 60 },
    );
    writeFileSync(image, sound);
    t.strictSame(await found(out), []);
  });

  t.test('an image of another batch does not pass for its own', async (t) => {
    const other = join(t.testdir(), 'other');
    await burn(spec, other);
    cpSync(join(other, 'images', 'x-000001.bin'), join(out, 'images', 'x-000001.bin'));
    const codes = await codesIn(found(out));
    t.ok(
      ['MANIFEST_MISMATCH', 'NOT_ENROLLED'].every((code) => codes.includes(code)),
      codes.join(),
    );
  });
});

t.test('a batch of keys alone is vouched for by the signer beside it', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(spec.replace(/\n.*x509.*\n/, '\n'), out);
  t.strictSame(await found(out), []);
});

t.test('the layout of a batch is the one that its manifest names', async (t) => {
  const dir = t.testdir({ 'own.csv': OWN_LAYOUT });
  const [out, usual] = [join(dir, 'own'), join(dir, 'usual')];
  await burn(spec.replace('groups:', `partitions: ${join(dir, 'own.csv')}\ngroups:`), out);
  await burn(spec, usual);
  const manifest = join(out, 'manifest.jsonl');
  t.strictSame(await found(out), [], 'a layout of its own is no foreign one');
  t.strictSame(await found(join(out, 'images', 'x-000001.bin'), { manifest }), []);
  t.strictSame(await codesIn(found(join(out, 'images', 'x-000001.bin'))), ['LAYOUT_FOREIGN'], 'without its manifest it is');
  cpSync(join(usual, 'images', 'k-000003.bin'), join(out, 'images', 'k-000003.bin'));
  const codes = await codesIn(found(out));
  t.ok(codes.includes('LAYOUT_FOREIGN'), `the usual layout is foreign there: ${codes.join()}`);
});

t.test('truncated and random files are found out, and never crash it', async (t) => {
  const dir = t.testdir();
  const sound = craft(texts(await pki())).bytes;
  const mutated = fc.record({
    cut: fc.nat(sound.length),
    patches: fc.array(fc.tuple(fc.nat(0x19000), fc.uint8Array({ maxLength: 64 })), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(mutated, ({ cut, patches }) => {
      const bytes = Buffer.from(sound.subarray(0, cut));
      for (const [offset, patch] of patches)
        bytes.set(patch.subarray(0, Math.max(0, bytes.length - offset)), Math.min(offset, bytes.length));
      auditImage({ path: 'x.bin', bytes, mode: 0o600 }, context);
    }),
    { numRuns: 150 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 0x9000 }), (bytes) => {
      t.not(auditImage({ path: 'x.bin', bytes: Buffer.from(bytes), mode: 0o600 }, context).length, 0);
    }),
    { numRuns: 60 },
  );
  for (const text of ['', 'hello', '{"version":1}', '\0'.repeat(5000)]) {
    const out = join(dir, 'batch');
    mkdirSync(join(out, 'images'), { recursive: true });
    for (const name of ['enrolments.json', 'manifest.jsonl', 'images/x.bin']) writeFileSync(join(out, name), text, { mode: 0o600 });
    t.not((await found(out)).length, 0);
  }
  t.strictSame(readdirSync(dir), ['batch']);
});

t.test('a path that holds nothing to verify is refused with its name', async (t) => {
  const dir = t.testdir({ empty: {} });
  for (const name of ['empty', 'missing']) await t.rejects(found(join(dir, name)), { code: 'AUDIT_PATH', where: join(dir, name) });
  writeFileSync(join(dir, 'x.bin'), 'x');
  await t.rejects(found(join(dir, 'x.bin'), { manifest: join(dir, 'none') }), { code: 'AUDIT_PATH', where: join(dir, 'none') });
});
