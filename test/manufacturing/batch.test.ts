import { createHash, createHmac } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { type BurnEvent, burnBatch } from '@zerotouch/manufacturing/batch';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { VERSION } from '@zerotouch/manufacturing/version';
import t from 'tap';
import { burn, certified, enrolmentsIn, filesUnder, imageOf, MIXED, MIXED_IDS, manifestIn, modeOf } from './workbench.js';

t.test('a mixed batch', async (t) => {
  const out = join(t.testdir(), 'deep', 'batch');
  const events: BurnEvent[] = [];
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  const summary = await burn(MIXED, out, { onProgress: (event) => events.push(event) });
  process.umask(umask);
  const manifest = manifestIn(out);
  const enrolments = enrolmentsIn(out);

  t.test('is burnt whole', async (t) => {
    t.match(summary, { burnt: 10, skipped: 0, failed: 0, out, failures: [], aborted: false });
    t.ok(summary.seconds > 0);
  });

  t.test('every image opens, and says what the spec says', async (t) => {
    for (const id of MIXED_IDS) {
      const { factory, secureCert } = imageOf(out, id);
      t.match(factory, { idScope: '0ne00000A1B', endpoint: 'global.azure-devices-provisioning.net', registrationId: id });
      t.equal(factory.serial, id.slice(-6));
      t.equal(secureCert === undefined, id.startsWith('k'), id);
      t.equal(factory.symmetricKey === undefined, id.startsWith('x'), id);
    }
  });

  t.test('the manifest names them in the order of the spec', async (t) => {
    t.strictSame(
      manifest.devices.map((device) => device.registrationId),
      MIXED_IDS,
    );
    t.match(manifest, { version: 2, batch: 'mixed', idScope: '0ne00000A1B', tool: `zerotouch ${VERSION}`, madeAt: /^\d{4}-.*Z$/ });
    t.match(manifest.devices[0], {
      serial: '000001',
      attestation: 'x509',
      enrolment: 'group',
      enrolmentGroup: 'x-group',
      image: 'images/x-000001.bin',
    });
    t.match(manifest.devices.at(-1), { attestation: 'symmetric-key', enrolment: 'individual', image: 'images/ki%3A000032.bin' });
    t.notOk(Object.hasOwn(manifest.devices.at(-1) ?? {}, 'certificate'));
  });

  t.test('the manifest holds the hash of each read-only partition', async (t) => {
    for (const { registrationId, partitions } of manifest.devices) {
      const image = imageOf(out, registrationId);
      t.strictSame(Object.keys(partitions).sort(), ['esp_secure_cert', 'fctry']);
      for (const [name, hash] of Object.entries(partitions)) {
        t.equal(createHash('sha256').update(image.partitionBytes(name)).digest('hex'), hash);
      }
    }
  });

  t.test('the group key derives every device key, and is in no image, manifest or event', async (t) => {
    const group = enrolments.enrollmentGroups.find(({ enrollmentGroupId }) => enrollmentGroupId === 'k-group');
    if (group?.attestation.type !== 'symmetricKey') throw new Error('no symmetric-key group');
    const { primaryKey = '', secondaryKey = '' } = group.attestation.symmetricKey;
    t.equal(Buffer.from(primaryKey, 'base64').length, 64);
    t.equal(Buffer.from(secondaryKey, 'base64').length, 64);
    t.not(primaryKey, secondaryKey);
    for (const id of MIXED_IDS.filter((name) => name.startsWith('k-'))) {
      const derived = createHmac('sha256', Buffer.from(primaryKey, 'base64')).update(id).digest();
      t.ok(derived.equals(imageOf(out, id).factory.symmetricKey ?? Buffer.alloc(0)), id);
    }
    const elsewhere = filesUnder(out).filter((path) => !path.endsWith('enrolments.json'));
    for (const key of [primaryKey, secondaryKey]) {
      for (const path of elsewhere) {
        const bytes = readFileSync(path);
        t.notOk(bytes.includes(key) || bytes.includes(Buffer.from(key, 'base64')), path);
      }
      t.notOk(JSON.stringify(events).includes(key));
    }
  });

  t.test('the manifest holds no secret at all', async (t) => {
    const text = readFileSync(join(out, 'manifest.jsonl'), 'utf8');
    t.notMatch(text, /PRIVATE KEY/);
    for (const id of MIXED_IDS) {
      const { factory, secureCert } = imageOf(out, id);
      const key = Buffer.from(factory.symmetricKey ?? secureCert?.privateKey ?? '');
      t.ok(key.length >= 32);
      for (const form of ['base64', 'hex', 'latin1'] as const) t.notOk(text.includes(key.toString(form)), `${id} ${form}`);
    }
  });

  t.test('the enrolments are in the shape of Azure', async (t) => {
    t.match(enrolments, { version: 1, batch: 'mixed', idScope: '0ne00000A1B' });
    t.strictSame(
      enrolments.enrollmentGroups.map(({ attestation, ...rest }) => ({ ...rest, type: attestation.type })),
      [
        {
          enrollmentGroupId: 'x-group',
          provisioningStatus: 'enabled',
          initialTwin: { tags: { line: 7 }, properties: { desired: { telemetryIntervalSeconds: 10 } } },
          type: 'x509',
        },
        {
          enrollmentGroupId: 'k-group',
          provisioningStatus: 'enabled',
          allocationPolicy: 'hashed',
          iotHubs: ['hub-weu.azure-devices.net'],
          type: 'symmetricKey',
        },
      ],
    );
    t.strictSame(
      enrolments.enrollments.map(({ registrationId, provisioningStatus }) => [registrationId, provisioningStatus]),
      [
        ['xi-000021', 'disabled'],
        ['xi-000022', 'disabled'],
        ['ki:000031', 'enabled'],
        ['ki:000032', 'enabled'],
      ],
    );
    for (const { registrationId, attestation } of enrolments.enrollments) {
      const { factory, secureCert } = imageOf(out, registrationId);
      if (attestation.type === 'x509') {
        const leaf = attestation.x509.clientCertificates?.primary?.certificate ?? 'none';
        t.ok(secureCert?.deviceCertificate.startsWith(leaf), registrationId);
      } else if (attestation.type === 'symmetricKey') {
        t.equal(Buffer.from(factory.symmetricKey ?? []).toString('base64'), attestation.symmetricKey.primaryKey);
        t.not(attestation.symmetricKey.primaryKey, attestation.symmetricKey.secondaryKey);
      }
    }
  });

  t.test('modes do not depend on the umask', async (t) => {
    t.equal(modeOf(out), 0o700);
    const open = filesUnder(out).filter((path) => modeOf(path) !== 0o600);
    t.strictSame(open.map((path) => path.slice(out.length + 1)).sort(), [
      'ca/line-x-group.pem',
      'ca/line.pem',
      'ca/manifest.pem',
      'ca/root.pem',
      'manifest.jsonl',
    ]);
    for (const path of open) t.equal(modeOf(path), 0o644);
  });

  t.test('nothing temporary is left', async (t) => {
    t.strictSame(
      filesUnder(out).filter((path) => path.includes('.tmp')),
      [],
    );
  });

  t.test('what happened was told', async (t) => {
    t.strictSame([...new Set(events.map(({ kind }) => kind))], ['planned', 'authority', 'burnt', 'written']);
    const burnt = events.filter((event) => event.kind === 'burnt');
    t.strictSame(burnt.map(({ registrationId }) => registrationId).sort(), [...MIXED_IDS].sort());
    t.match(burnt.at(-1), { done: 10, total: 10 });
  });
});

t.test('a second batch is refused before anything is written', async (t) => {
  const out = t.testdir();
  await burn(certified(), out);
  const before = filesUnder(out).map((path) => [path, readFileSync(path, 'base64')]);
  await t.rejects(burn(certified(), out), { code: 'OUT_OCCUPIED', where: out, seen: 'manifest.jsonl', remedy: /another folder/ });
  t.strictSame(
    filesUnder(out).map((path) => [path, readFileSync(path, 'base64')]),
    before,
  );
});

t.test('a folder that cannot be one', async (t) => {
  const out = join(t.testdir({ file: 'a file' }), 'file');
  await t.rejects(burn(certified(), out), { code: 'OUT_UNUSABLE', where: out, seen: 'ENOTDIR' });
});

t.test('a wrong spec writes nothing', async (t) => {
  const out = join(t.testdir(), 'out');
  const spec = parseSpec(certified(), 'batch.yaml');
  const wrong = { ...spec, groups: spec.groups.map((group) => ({ ...group, registrationId: '/{serial}' })) };
  await t.rejects(burnBatch(wrong, { out, clock: systemClock, entropy: systemEntropy }), { code: 'SPEC_INVALID' });
  t.notOk(existsSync(out));
});

t.test('the same entropy gives the same keys, whatever the pace', async (t) => {
  const keysIn = async (out: string) => {
    await burn(MIXED, out, { seed: 'line 7' });
    const { enrollmentGroups, enrollments, certificates } = enrolmentsIn(out);
    return {
      keys: [...enrollmentGroups, ...enrollments].map(({ attestation }) => (attestation.type === 'symmetricKey' ? attestation : undefined)),
      codes: certificates.map(({ verification }) => verification.code),
      serials: manifestIn(out).devices.map((device) => device.certificate?.serialNumber),
    };
  };
  const dir = t.testdir();
  t.strictSame(await keysIn(join(dir, 'a')), await keysIn(join(dir, 'b')));
});

t.test('the key of a device is the one the documentation derives', async (t) => {
  const out = join(t.testdir(), 'out');
  // Source: iot-dps/concepts-symmetric-key-attestation.
  const groupKey = Buffer.from('8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==', 'base64');
  const registrationId = 'sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6';
  const entropy = { ...systemEntropy, bytes: (count: number) => (count === 64 ? Buffer.from(groupKey) : systemEntropy.bytes(count)) };
  const text = certified('', 1).replace('x509', 'symmetric-key').replace('"x-{serial}"', registrationId);
  t.match(await burn(text, out, { entropy }), { burnt: 1 });
  const { symmetricKey = [] } = imageOf(out, registrationId).factory;
  t.equal(Buffer.from(symmetricKey).toString('base64'), 'Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=');
});

t.test('a batch of keys alone has no authority but the signer of its manifest', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(certified().replace('x509', 'symmetric-key'), out);
  t.strictSame(readdirSync(join(out, 'ca')).sort(), ['manifest.key', 'manifest.pem']);
  t.strictSame(enrolmentsIn(out).certificates, []);
  t.notOk(Object.hasOwn(manifestIn(out), 'authority'));
});

t.test('the version of the manifest is that of the package', async (t) => {
  const text = readFileSync(new URL('../../../manufacturing/package.json', import.meta.url), 'utf8');
  t.equal((JSON.parse(text) as { version: string }).version, VERSION);
});

t.test('a device with both keys of its enrolment', async (t) => {
  const out = join(t.testdir(), 'batch');
  const group = (id: string, start: number, more: string) =>
    `  - { attestation: symmetric-key, secondKey: true, registrationId: '${id}-{serial}', serial: { start: ${start}, count: 1 }, ${more} }\n`;
  const spec = `version: 1\nbatch: both\ngroups:\n${group('g', 1, 'enrolmentGroup: keys')}${group('i', 2, 'enrolment: individual')}`;
  await burn(spec, out);
  const { enrollmentGroups, enrollments } = enrolmentsIn(out);
  const keysOf = (attestation: (typeof enrollments)[number]['attestation'] | undefined): string[] =>
    attestation?.type === 'symmetricKey' ? [attestation.symmetricKey.primaryKey ?? '', attestation.symmetricKey.secondaryKey ?? ''] : [];
  const burnt = (id: string): string[] => {
    const { symmetricKey = [], secondaryKey = [] } = imageOf(out, id).factory;
    return [symmetricKey, secondaryKey].map((key) => Buffer.from(key).toString('base64'));
  };
  t.strictSame(
    burnt('g-000001'),
    keysOf(enrollmentGroups[0]?.attestation).map((key) =>
      createHmac('sha256', Buffer.from(key, 'base64')).update('g-000001').digest('base64'),
    ),
  );
  t.strictSame(burnt('i-000002'), keysOf(enrollments[0]?.attestation));
  t.throws(() => parseSpec(spec.replaceAll('symmetric-key', 'x509'), 'spec.yaml'), {
    code: 'SPEC_INVALID',
    message: /secondKey only beside/,
  });
});
