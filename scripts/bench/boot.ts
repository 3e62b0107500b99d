import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Contender, Court, type Measured } from './court.js';
import { compiledHandshake } from './handshake.js';
import { type BenchResult, median, ratio, resultOf, round } from './measure.js';
import { imagesOf, withBatch } from './sides.js';

/** Devices that boot before anything is measured: a process that has booted only hundreds is still being compiled, and a fleet has thousands. */
const WARM_UP = 2_000;
/** Devices a round, and rounds; the contenders take turns, and medians are told. */
const DEVICES = 200;
const ROUNDS = 5;

/** What contenders that are not ours are called. */
const SDK = 'official SDK';
const MQTT_JS = 'mqtt.js with aedes';
const BARE = 'bare node:tls';

/**
 * CPU time of a whole boot, both sides: from the image over two mutual TLS handshakes, registration and twin to running. Peers: Microsoft's client
 * against the same cloud, and mqtt.js with aedes saying as much. Limit: OpenSSL's own handshake in C, twice. Told beside it is what `node:tls`
 * takes for a device's context and two connections that say one word each: no code of ours is in that.
 */
export async function benchBoot(): Promise<BenchResult> {
  return withBatch(WARM_UP + DEVICES * ROUNDS, async (folder, batch) => {
    const handshake = await compiledHandshake(folder);
    if (handshake === undefined) process.stderr.write('bench: without gcc and the headers of OpenSSL (libssl-dev) there is no limit\n');
    const handshakes: number[] = [];
    const rounds = await measure('cpu', contenders(), batch, () => {
      if (handshake !== undefined) handshakes.push(2 * handshake());
    });
    const limit = handshake === undefined ? {} : { 'two OpenSSL handshakes': round(median(handshakes)) };
    return tell('boot', 'CPU-ms a whole boot, device and cloud', rounds, median, limit);
  });
}

/**
 * Memory of a connected device, both sides: what the processes grow by, garbage collected. Limit: two connected sockets of `node:tls`.
 */
export async function benchMemory(): Promise<BenchResult> {
  return withBatch(WARM_UP + DEVICES * ROUNDS, async (_, batch) =>
    tell('memory', 'KB a connected device, device and cloud', await measure('memory', contenders(), batch), mean),
  );
}

/** @param limit of the machine; absent: the runtime's own sockets are the limit */
function tell(
  name: string,
  unit: string,
  rounds: ReadonlyMap<string, readonly number[]>,
  of: (costs: readonly number[]) => number,
  limit?: Record<string, number>,
): BenchResult {
  const figure = (contender: string): number => round(of(rounds.get(contender) ?? []));
  const others = [...rounds.keys()].filter((contender) => contender.startsWith('zerotouch on ')).map((contender) => contender.slice(13));
  const onOtherRuntimes = Object.fromEntries(
    others.map((runtime) => {
      const [ours, bare] = [figure(`zerotouch on ${runtime}`), figure(`${BARE} on ${runtime}`)];
      return [runtime, { ours, [BARE]: bare, ratioToLimit: ratio(limit ?? { bare }, ours) }];
    }),
  );
  return resultOf(
    name,
    unit,
    figure('zerotouch'),
    { peer: { [SDK]: figure(SDK), [MQTT_JS]: figure(MQTT_JS) }, limit: limit ?? { [BARE]: figure(BARE) } },
    { [BARE]: figure(BARE), onOtherRuntimes },
  );
}

/** Memory is freed by whole pages: only the sum over all rounds says what a device takes. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** This runtime, and others where ZEROTOUCH_NODE (as many as a path separated by colons) and ZEROTOUCH_BUN name them. */
function contenders(): Contender[] {
  const own = process.execPath;
  const others = [...(process.env.ZEROTOUCH_NODE?.split(':') ?? []), process.env.ZEROTOUCH_BUN ?? ''].filter((path) => existsSync(path));
  return [
    { name: 'zerotouch', execPath: own, client: 'lean' },
    { name: SDK, execPath: own, client: 'sdk' },
    { name: MQTT_JS, execPath: own, client: 'mqtt.js' },
    { name: BARE, execPath: own, client: 'node:tls' },
    ...others.flatMap((execPath): Contender[] => {
      const version = execFileSync(execPath, ['--version'], { encoding: 'utf8' }).trim();
      const runtime = version.startsWith('v') ? `Node ${version.slice(1)}` : `Bun ${version}`;
      return [
        { name: `zerotouch on ${runtime}`, execPath, client: 'lean' },
        { name: `${BARE} on ${runtime}`, execPath, client: 'node:tls' },
      ];
    }),
  ];
}

/** @param between called between the rounds, so that it meets the same load */
async function measure(
  what: Measured,
  all: readonly Contender[],
  batch: string,
  between = (): void => undefined,
): Promise<Map<string, readonly number[]>> {
  const images = imagesOf(batch);
  const courts = [];
  try {
    for (const contender of all) courts.push(await Court.open(contender, what, batch));
    for (const court of courts) await court.warmUp(images.slice(0, WARM_UP));
    for (let from = WARM_UP; from < images.length; from += DEVICES) {
      for (const court of courts) await court.round(images.slice(from, from + DEVICES));
      between();
    }
    return new Map(courts.map((court) => [court.contender.name, court.costs]));
  } finally {
    for (const court of courts) court.end();
  }
}
