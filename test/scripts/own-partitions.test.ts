import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FACTORY_PARTITION } from '@zerotouch/flash-image/image';
import { findPartition } from '@zerotouch/flash-image/layout';
import { decodePartitionTable } from '@zerotouch/flash-image/partition-table';
import t from 'tap';
import { lastLine, runHere } from './support/command.js';

const groups = `groups:
  - { attestation: x509, enrolmentGroup: line-1, registrationId: 'pump-{serial}', serial: { count: 1 } }
`;

for (const [what, top, parts] of [
  ['no partition is flagged readonly', 'partitions: parts.csv', 'nvs,data,nvs,0x9000,24K\nfctry,data,nvs,,12K\ncert,0x3f,6,,8K\n'],
  [
    'one behind the application is',
    'partitions: parts.csv',
    'nvs,data,nvs,0x9000,24K\nfctry,data,nvs,,12K\ncert,0x3f,6,,8K\nmain,app,factory,,1M\nweb,data,fat,,64K,readonly\n',
  ],
  ['the keys are in a partition', 'encryption: key-partition', ''],
] as const) {
  t.test(`what was just burnt is sound where ${what}, and not any more with a bit changed`, async (t) => {
    const dir = t.testdir({ 'batch.yaml': `version: 1\nbatch: own\n${top}\n${groups}`, 'parts.csv': parts });
    const burnt = await runHere(dir, 'burn', 'batch.yaml', '--out', 'out', '--json', '--quiet');
    t.equal(burnt.code, 0, burnt.stderr);
    const verify = () => runHere(dir, 'verify', 'out', '--batch', 'batch.yaml', '--shipped', '--json');
    const sound = await verify();
    t.equal(sound.code, 0, sound.stdout);
    t.match(lastLine(sound), { images: 1, errors: 0 });

    const path = join(dir, 'out', 'images', 'pump-000001.bin');
    const image = readFileSync(path);
    const { offset, size } = findPartition(decodePartitionTable(image.subarray(0x8000, 0x8c00)), FACTORY_PARTITION);
    image.writeUInt8(image.readUInt8(offset + size - 1) ^ 1, offset + size - 1);
    writeFileSync(path, image);
    const changed = await verify();
    t.match(changed, { code: 1, stdout: /"code":"MANIFEST_MISMATCH"[^\n]*"where":"partition fctry"/ });
  });
}

t.test('a folder that cannot be made is told at once', { skip: process.platform !== 'linux' }, async (t) => {
  const dir = t.testdir({ 'batch.yaml': `version: 1\nbatch: own\n${groups}` });
  const burnt = await runHere(dir, 'burn', 'batch.yaml', '--out', '/proc/zerotouch', '--quiet');
  t.match(burnt, { code: 2, stderr: /\/proc\/zerotouch.*ENOENT/ });
});
