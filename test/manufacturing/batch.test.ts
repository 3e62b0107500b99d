import { createHash, createHmac } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openImage } from '@zerotouch/flash-image/image';
import { memoryStorage } from '@zerotouch/flash-image/storage';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { type BurnEvent, burnBatch } from '@zerotouch/manufacturing/batch';
import { type Files, systemFiles } from '@zerotouch/manufacturing/files';
import { parseSpec } from '@zerotouch/manufacturing/spec';
import { VERSION } from '@zerotouch/manufacturing/version';
import t from 'tap';
import { burn, certified, enrolmentsIn, imageOf, MIXED, MIXED_IDS, manifestIn } from './workbench.js';

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

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

t.test('images of a batch that was cut off are not written over either', async (t) => {
  const out = t.testdir({ images: { 'x-000001.bin': 'half' } });
  await t.rejects(burn(certified(), out), { code: 'OUT_OCCUPIED', seen: /1 file/ });
  t.strictSame(readdirSync(out), ['images']);
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

t.test('the umask may be tight as well', async (t) => {
  // The folders are there: under such a umask even their owner could not enter new ones.
  const out = join(t.testdir({ out: { images: {}, ca: {} } }), 'out');
  const umask = process.umask(0o777);
  t.teardown(() => process.umask(umask));
  t.match(await burn(certified(), out), { burnt: 2, failed: 0 });
  process.umask(umask);
  t.equal(modeOf(join(out, 'images', 'x-000001.bin')), 0o600);
  t.equal(modeOf(join(out, 'manifest.jsonl')), 0o644);
});

t.test('an abort leaves what was burnt whole, with its manifest and enrolments', async (t) => {
  const out = join(t.testdir(), 'out');
  const controller = new AbortController();
  const onProgress = (event: BurnEvent) => {
    if (event.kind === 'burnt' && event.done === 5) controller.abort();
  };
  const text = MIXED.replace('start: 1, count: 3', 'start: 100, count: 200').replace('start: 31', 'start: 400');
  const summary = await burn(text, out, { onProgress, signal: controller.signal });
  t.equal(summary.aborted, true);
  t.equal(summary.failed, 0);
  t.ok(summary.burnt >= 5 && summary.burnt < 50, `${summary.burnt} burnt`);
  const manifest = manifestIn(out);
  t.strictSame(
    readdirSync(join(out, 'images')).sort(),
    manifest.devices.map(({ image }) => image.slice('images/'.length)),
  );
  for (const { registrationId } of manifest.devices) t.equal(imageOf(out, registrationId).factory.registrationId, registrationId);
  t.equal(enrolmentsIn(out).enrollmentGroups.length, 2);
  t.strictSame(enrolmentsIn(out).enrollments, []);
});

t.test('the group keys are on the disk before the first image', async (t) => {
  const out = join(t.testdir(), 'out');
  let seen: unknown;
  const files: Files = {
    ...systemFiles,
    async create(path, bytes, mode) {
      if (path.endsWith('.bin.tmp')) seen ??= enrolmentsIn(out).enrollmentGroups[1]?.attestation;
      await systemFiles.create(path, bytes, mode);
    },
  };
  await burn(MIXED, out, { files });
  t.match(seen, { type: 'symmetricKey', symmetricKey: { primaryKey: /=$/, secondaryKey: /=$/ } });
  t.strictSame(enrolmentsIn(out).enrollmentGroups[1]?.attestation, seen);
});

t.test('an image takes its name last: made, synced, read, renamed, and the folder synced', async (t) => {
  const out = join(t.testdir(), 'out');
  const steps: string[] = [];
  const noted = <T>(what: string, path: string, done: Promise<T>): Promise<T> => {
    if (path.includes('x-000001') || (path.endsWith('images') && steps.length > 0)) steps.push(`${what} ${path.slice(out.length + 1)}`);
    return done;
  };
  const files: Files = {
    ...systemFiles,
    create: (path, bytes, mode) => noted('create', path, systemFiles.create(path, bytes, mode)),
    sync: (path) => noted('sync', path, systemFiles.sync(path)),
    read: (path) => noted('read', path, systemFiles.read(path)),
    rename: (from, to) => noted('rename', to, systemFiles.rename(from, to)),
  };
  await burn(certified('', 1), out, { files });
  const temporary = 'images/.x-000001.bin.tmp';
  t.strictSame(steps, [`create ${temporary}`, `sync ${temporary}`, `read ${temporary}`, 'rename images/x-000001.bin', 'sync images']);
});

t.test('what a killed run left under a temporary name is in nobody’s way', async (t) => {
  const out = t.testdir({ '.enrolments.json.tmp': 'half' });
  t.match(await burn(certified(), out), { burnt: 2 });
  t.notOk(existsSync(join(out, '.enrolments.json.tmp')));
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

t.test('a full disk is a reason told for each device, and no batch is thrown away for it', async (t) => {
  const out = join(t.testdir(), 'out');
  const files: Files = {
    ...systemFiles,
    async create(path, bytes, mode) {
      await systemFiles.create(path, bytes, mode);
      if (path.includes('x-000002')) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    },
  };
  const summary = await burn(certified('', 3), out, { files });
  t.match(summary, { burnt: 2, failed: 1, failures: [{ registrationId: 'x-000002', reason: /ENOSPC/ }] });
  t.strictSame(readdirSync(join(out, 'images')).sort(), ['x-000001.bin', 'x-000003.bin']);
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

t.test('a folder that holds something else is not in the way', async (t) => {
  const out = t.testdir();
  writeFileSync(join(out, 'notes.txt'), 'line 7');
  t.match(await burn(certified(), out), { burnt: 2 });
});

t.test('whichever step of the disk fails, no name stands for half a file', async (t) => {
  const dir = t.testdir();
  let steps = 0;
  let failing = 0;
  const step = async <T>(work: () => Promise<T>): Promise<T> => {
    steps += 1;
    if (steps === failing) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    return work();
  };
  const files: Files = {
    makeFolder: (path, mode) => step(() => systemFiles.makeFolder(path, mode)),
    list: (path) => step(() => systemFiles.list(path)),
    read: (path) => step(() => systemFiles.read(path)),
    // A write that fails has often written something.
    create: (path, bytes, mode) =>
      systemFiles.create(path, bytes.subarray(0, 100), mode).then(() => step(() => rewrite(path, bytes, mode))),
    append: (path, bytes) =>
      systemFiles.append(path, bytes.subarray(0, 100)).then(() => step(() => systemFiles.append(path, bytes.subarray(100)))),
    sync: (path) => step(() => systemFiles.sync(path)),
    rename: (from, to) => step(() => systemFiles.rename(from, to)),
    remove: (path) => systemFiles.remove(path),
  };
  const rewrite = async (path: string, bytes: Uint8Array, mode: number): Promise<void> => {
    await systemFiles.remove(path);
    await systemFiles.create(path, bytes, mode);
  };
  await burn(certified(), join(dir, 'sound'), { files });
  const total = steps;
  t.ok(total > 30, `${total} steps`);
  for (failing = 1; failing <= total; failing++) {
    const out = join(dir, `out-${failing}`);
    steps = 0;
    const outcome = await burn(certified(), out, { files }).catch((error: unknown) => error);
    t.match(outcome, outcome instanceof Error ? { code: 'OUT_UNUSABLE', seen: 'EIO' } : { failures: [{ reason: /EIO/ }] });
    if (!existsSync(out)) continue;
    if (!(outcome instanceof Error)) {
      const named = manifestIn(out).devices.map(({ image }) => image.slice('images/'.length));
      t.strictSame(readdirSync(join(out, 'images')), named, `step ${failing}`);
    }
    for (const path of filesUnder(out)) {
      if (path.endsWith('.json')) JSON.parse(readFileSync(path, 'utf8'));
      else if (path.endsWith('.bin')) t.equal(openImage(memoryStorage(readFileSync(path))).factory.idScope, '0ne00000A1B');
      else if (path.endsWith('.jsonl')) t.match(manifestIn(out), { batch: 'certified' });
      // A key that has its name waits for its certificate, which is whole.
      else t.match(path, /\.(pem|key)$|ledger\.db$|\.pem\.tmp$/);
    }
  }
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
