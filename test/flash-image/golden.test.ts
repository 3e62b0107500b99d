import { defaultLayout, type Layout, type Partition } from '@zerotouch/flash-image/layout';
import { generateNvs } from '@zerotouch/flash-image/nvs/generate';
import { readNvs } from '@zerotouch/flash-image/nvs/read';
import { decodePartitionTable, encodePartitionTable } from '@zerotouch/flash-image/partition-table';
import { decodeSecureCert, encodeSecureCert } from '@zerotouch/flash-image/secure-cert';
import t from 'tap';
import { comparable } from './support/arbitraries.js';
import { firstCertificate, golden, nvsEntries } from './support/golden.js';

/** What golden/partitions.csv says. */
const keys: Partition = { name: 'nvs_keys', type: 1, subtype: 4, offset: 0xf000, size: 0x1000, encrypted: true, readOnly: false };
const [certificates, ...others] = defaultLayout.partitions;
const layout: Layout = { flashSize: 0x400000, partitions: certificates === undefined ? [] : [certificates, keys, ...others] };

t.test('the partition table is the one that gen_esp32part makes', async (t) => {
  t.ok(encodePartitionTable(layout).equals(golden('partitions.bin')));
  t.same(decodePartitionTable(golden('partitions.bin')), layout);
});

t.test('the default layout is the golden one without the key partition', async (t) => {
  t.same(
    decodePartitionTable(golden('partitions.bin')).partitions.filter(({ name }) => name !== 'nvs_keys'),
    defaultLayout.partitions,
  );
});

t.test('esp_secure_cert is the one that its tool makes', async (t) => {
  const pem = (name: string): string => golden(name).toString();
  const contents = {
    caCertificate: firstCertificate(pem('chain.pem')),
    deviceCertificate: pem('device.pem'),
    privateKey: pem('device.key'),
  };
  t.ok(encodeSecureCert(contents).equals(golden('esp_secure_cert.bin')));
  t.same(decodeSecureCert(golden('esp_secure_cert.bin')), contents);
});

for (const [name, size] of [
  ['fctry', 0x3000],
  ['types', 0x6000],
] as const) {
  t.test(`NVS partition ${name} is the one that the generator makes`, async (t) => {
    const entries = nvsEntries(golden(`${name}.csv`).toString());
    t.ok(generateNvs(entries, size).equals(golden(`${name}.bin`)));
    const read = readNvs(golden(`${name}.bin`));
    t.same(
      read.map(({ namespace, key, value }) => [namespace, key, comparable(value)]),
      entries.map(({ namespace, key, value }) => [namespace, key, comparable(value)]),
    );
  });
}
