import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeImage, openImage } from '@zerotouch/flash-image/image';
import { inspectImage } from '@zerotouch/flash-image/inspect';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { audit } from '@zerotouch/manufacturing/audit/audit';
import type { BurnEvent } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import t from 'tap';
import { certify, factory, NOW } from './audit/craft.js';
import { burn, certified, clockAt, imageOf } from './workbench.js';

const clock = clockAt(new Date(NOW).toISOString());
const root = async (subject: string, to: number, ca = true) => (await certify(undefined, { subject, ca, from: -400, to })).pem.trim();
const [old, next, gone, leaf] = [
  await root('CN=old', 300),
  await root('CN=next', 9000),
  await root('CN=gone', -1),
  await root('CN=leaf', 9, false),
];

t.test('server roots are burnt into every image, and what is to be thought about is said first', async (t) => {
  const dir = t.testdir({ 'old.pem': `Subject: old\n${old}\n`, 'both.pem': `${next}\n${gone}\n${old}\n` });
  const out = join(dir, 'batch');
  const warnings: string[] = [];
  const onProgress = (event: BurnEvent) => {
    if (event.kind === 'warning') warnings.push(`${event.warning.code} ${event.warning.message}`);
  };
  const spec = certified(`serverRoots: [${join(dir, 'old.pem')}, ${join(dir, 'both.pem')}]\n`, 1);
  t.match(await burn(spec, out, { clock, onProgress }), { burnt: 1, failed: 0 });
  t.equal(imageOf(out, 'x-000001').factory.serverRoots, `${[old, next, gone].join('\n')}\n`, 'each once, in the order of the spec');
  t.match(warnings, [/^SERVER_ROOT_RETIRES CN=old .*3650 days/, /^SERVER_ROOT_EXPIRED CN=gone/]);
  const found: string[] = [];
  const verify = (text: string) => {
    found.length = 0;
    return audit({ paths: [out], spec: parseSpec(text, 'batch.yaml'), clock, horizonDays: 90, onFinding: ({ code }) => found.push(code) });
  };
  await verify(spec);
  t.strictSame(
    found.filter((code) => code !== 'IMAGE_FIELDED'),
    ['SERVER_ROOT_EXPIRED'],
  );
  await verify(certified('', 1));
  t.ok(found.includes('SPEC_MISMATCH'), 'a spec without them is not the one it was burnt from');
  t.equal(parseSpec(certified('serverRoots: [a.pem]\n'), '/line/b.yaml').serverRoots?.[0], '/line/a.pem', 'relative to the spec');
});

t.test('one root alone is warned about; roots that cannot be trusted burn nothing', async (t) => {
  const dir = t.testdir();
  const attempt = async (text: string) => {
    writeFileSync(join(dir, 'roots.pem'), text);
    const warnings: string[] = [];
    const out = join(dir, 'batch');
    await burn(certified(`serverRoots: [${join(dir, 'roots.pem')}]\n`, 1), out, {
      clock,
      onProgress: (event) => event.kind === 'warning' && warnings.push(event.warning.code),
    });
    return warnings;
  };
  await t.rejects(attempt('nothing'), { code: 'SERVER_ROOTS', message: /no certificate/ });
  await t.rejects(attempt(leaf), { code: 'SERVER_ROOTS', message: /none of an authority/, seen: /CN=leaf/ });
  await t.rejects(attempt(old.replace(/\n[^-]+\n/, '\nMIIB\n')), { code: 'SERVER_ROOTS', message: /cannot be read/ });
  await t.rejects(attempt(gone), { code: 'SERVER_ROOTS', message: /none of the server roots is valid/ });
  await t.rejects(burn(certified(`serverRoots: [${dir}]\n`, 1), join(dir, 'batch'), { clock }), { code: 'SERVER_ROOTS', seen: 'EISDIR' });
  t.notOk(existsSync(join(dir, 'batch')), 'nothing was made');
  t.strictSame(await attempt(old), ['SERVER_ROOTS_RETIRE', 'SERVER_ROOT_ALONE']);
});

t.test('a batch goes on with the roots it was begun with, wherever their file is', async (t) => {
  const dir = t.testdir({ 'one.pem': next, 'two.pem': next, 'other.pem': old + next });
  const out = join(dir, 'batch');
  const burnWith = (file: string, resume: boolean) => burn(certified(`serverRoots: [${join(dir, file)}]\n`, 1), out, { clock, resume });
  await burnWith('one.pem', false);
  t.match(await burnWith('two.pem', true), { burnt: 0, skipped: 1 });
  const before = readdirSync(out, { recursive: true });
  await t.rejects(burnWith('other.pem', true), { code: 'BATCH_DIFFERS', seen: /: serverRoots changed/ });
  t.strictSame(readdirSync(out, { recursive: true }), before, 'and nothing is written');
});

t.test('in flash they are one blob, ended by NUL; an image without them is as it was', (t) => {
  const image = composeImage({ factory: { ...factory, serverRoots: `${next}\n` } });
  t.ok(image.includes(Buffer.from('srv_roots\0')));
  t.ok(image.includes(Buffer.from(`${next}\n\0`)));
  t.equal(openImage(memoryStorage(image)).factory.serverRoots, `${next}\n`);
  const fields = inspectImage(memoryStorage(image)).partitions.flatMap((partition) => partition.fields);
  t.match(
    fields.find(({ name }) => name === 'dps/srv_roots'),
    { type: 'blob', value: `${next}\n`, encoding: undefined, secret: false },
    'and shown as the text that it is',
  );
  t.notOk(composeImage({ factory }).includes(Buffer.from('srv_roots')));
  t.end();
});
