import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { BasicConstraintsExtension, Pkcs10CertificateRequest, X509CertificateGenerator } from '@peculiar/x509';
import type { DriverPorts } from '@zerotouch/firmware-sim/boot/driver-ports';
import type { DpsOutcome } from '@zerotouch/firmware-sim/boot/ports';
import { makeSigningRequest } from '@zerotouch/firmware-sim/identity/signing-request';
import t from 'tap';
import { Bench } from './bench.js';

const DAY_MS = 24 * 60 * 60_000;
const SCOPE = '0ne00000A1B';
const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const down: DpsOutcome = { outcome: 'unreachable', detail: 'ENOTFOUND' };

/** A DPS that issues certificates of thirty days, and a device that asks for them. */
class IssuingBench extends Bench {
  readonly keys = webcrypto.subtle.generateKey(P256, true, ['sign', 'verify']);
  /** What the hub was shown, PEM. */
  readonly shown: string[] = [];
  down = false;

  ports(): Partial<DriverPorts> {
    return {
      credentials: { request: (id) => this.real(makeSigningRequest(id)) },
      dps: {
        register: async ({ signingRequest, identity }) => {
          this.registrations += 1;
          t.equal(identity.attestation.kind, 'symmetric-key', 'DPS sees what was burnt');
          if (this.down) return down;
          const hub = { outcome: 'assigned', hub: 'hub-weu.azure-devices.net', deviceId: 'thermo-000001' } as const;
          return { ...hub, issued: [await this.real(this.#issue(signingRequest as Uint8Array))] };
        },
      },
    };
  }

  async #issue(der: Uint8Array): Promise<string> {
    const request = new Pkcs10CertificateRequest(Uint8Array.from(der));
    const leaf = await X509CertificateGenerator.create(
      {
        subject: request.subject,
        issuer: 'CN=line',
        publicKey: request.publicKey,
        signingKey: (await this.keys).privateKey,
        signingAlgorithm: P256,
        notBefore: new Date(this.clock.now()),
        notAfter: new Date(this.clock.now() + 30 * DAY_MS),
        extensions: [new BasicConstraintsExtension(false)],
      },
      webcrypto,
    );
    return Buffer.from(leaf.rawData).toString('base64');
  }
}

const running = (bench: Bench) => () => bench.states.at(-1) === 'running';

async function issued(bench: IssuingBench) {
  const driver = bench.driver(bench.ports());
  driver.powerOn();
  await bench.until(running(bench));
  const credential = driver.flash?.memory.assignment(SCOPE)?.credential;
  t.ok(credential, 'kept with the assignment');
  return { driver, certificate: credential?.certificate };
}

t.test('a device that stays on renews its certificate with ten of its thirty days left, and again', async (t) => {
  const bench = new IssuingBench();
  const began = bench.clock.monotonic();
  const { driver, certificate } = await issued(bench);
  for (const [round, day] of [20, 40].entries()) {
    await bench.untilInTime(() => bench.registrations === round + 2 && running(bench)());
    t.equal(Math.floor((bench.clock.monotonic() - began) / DAY_MS + 0.01), day);
  }
  const renewed = driver.flash?.memory.assignment(SCOPE)?.credential;
  t.not(renewed?.certificate, certificate);
  t.equal(bench.connections.length, 3, 'each time it went to its hub anew');
  await driver.powerOff();
});

t.test('one that was switched off meanwhile renews at its next boot, before it goes to its hub', async (t) => {
  const bench = new IssuingBench();
  const { driver } = await issued(bench);
  await driver.powerOff();
  bench.clock.set(bench.clock.now() + 5 * DAY_MS);
  const early = bench.driver(bench.ports());
  early.powerOn();
  await bench.until(running(bench));
  t.equal(bench.registrations, 1, 'not yet');
  await early.powerOff();
  bench.clock.set(bench.clock.now() + 20 * DAY_MS);
  const late = bench.driver(bench.ports());
  late.powerOn();
  await bench.until(running(bench));
  t.equal(bench.registrations, 2);
  await late.powerOff();
});

t.test('while DPS is down the old one serves, until it has run out', async (t) => {
  const bench = new IssuingBench();
  const { driver, certificate } = await issued(bench);
  await driver.powerOff();
  bench.down = true;
  bench.clock.set(bench.clock.now() + 25 * DAY_MS);
  const next = bench.driver(bench.ports());
  next.powerOn();
  await bench.until(running(bench));
  t.equal(next.flash?.memory.assignment(SCOPE)?.credential?.certificate, certificate);
  t.equal(next.flash?.memory.counters().registrations, 1, 'nothing was written');
  const began = bench.clock.now();
  await bench.untilInTime(() => bench.clock.now() - began > 4 * DAY_MS);
  t.ok(bench.registrations < 60, `asked now and then: ${bench.registrations} times`);
  bench.down = false;
  await bench.untilInTime(() => next.flash?.memory.assignment(SCOPE)?.credential?.certificate !== certificate && running(bench)());
  t.pass('and is renewed when DPS is back');
  await next.powerOff();
});

t.test('without a clock nobody judges a certificate', async (t) => {
  const bench = new IssuingBench();
  const { driver } = await issued(bench);
  await driver.powerOff();
  bench.clock.set(bench.clock.now() + 300 * DAY_MS);
  const next = bench.driver({ ...bench.ports(), time: { set: async () => 'clock-unset' } });
  next.powerOn();
  await bench.until(running(bench));
  t.equal(bench.registrations, 1, 'the hub has the last word');
  await next.powerOff();
});

t.test('a factory reset erases the certificate and its key, to the last byte', async (t) => {
  const bench = new IssuingBench();
  const { driver, certificate } = await issued(bench);
  const line = (certificate ?? '').split('\n')[1] as string;
  t.ok(bench.flash.read(0, bench.flash.size).includes(line));
  let reset: Buffer | undefined;
  bench.slots = () => {
    reset ??= bench.flash.read(0, bench.flash.size);
    return undefined;
  };
  t.equal(await bench.session.call('factory-reset'), 202);
  await bench.until(() => reset !== undefined && running(bench)());
  t.ok(reset, 'as the next mount finds it');
  t.notOk(reset?.includes(line));
  t.notOk(reset?.includes('PRIVATE KEY'));
  await driver.powerOff();
});
