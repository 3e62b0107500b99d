import { Lifeline } from '@zerotouch/firmware-sim/transport/lifeline';
import { PollingTransport, type SdkTransport } from '@zerotouch/firmware-sim/transport/sdk-polling';
import { type Clock, systemClock } from '@zerotouch/foundation/clock';
import t from 'tap';
import { patient } from './kit.js';

const lost = { outcome: 'dropped', detail: 'gone' } as const;

t.test('the first of answer, loss and abort counts, and cleans up once', async (t) => {
  const life = new Lifeline();
  let cleaned = 0;
  const call = (signal: AbortSignal, answer?: string): Promise<{ outcome: string }> =>
    life.during<{ outcome: string }>(signal, (settle) => {
      if (answer !== undefined) settle({ outcome: answer });
      return () => {
        cleaned++;
      };
    });
  t.match(await call(patient(), 'done'), { outcome: 'done' });
  t.equal(cleaned, 1, 'an answer at once');
  const abort = new AbortController();
  const aborted = call(abort.signal);
  abort.abort();
  t.match(await aborted, { outcome: 'timed-out' });
  const waiting = call(patient());
  life.lose(lost);
  life.lose({ outcome: 'invalid', detail: 'too late' });
  t.same(await waiting, lost);
  t.equal(cleaned, 3);
  t.same(await call(patient(), 'done'), lost, 'nothing begins on a connection that is gone');
  t.equal(cleaned, 3);
});

t.test('a close of our own is told to calls, not to listeners', async (t) => {
  const life = new Lifeline();
  life.onLost(() => t.fail('told'));
  const waiting = life.during(patient(), () => undefined);
  life.close();
  life.lose(lost);
  life.onLost(() => t.fail('told late'));
  t.match(await waiting, { outcome: 'dropped', detail: /by this device/ });
});

t.test('a pause ends with its time, with the connection, or with the signal', async (t) => {
  const life = new Lifeline();
  t.equal(await life.pause(systemClock, 0, patient()), undefined);
  t.match(await life.pause(systemClock, 3_600_000, AbortSignal.abort()), { outcome: 'timed-out' });
  const pause = life.pause(systemClock, 3_600_000, patient());
  life.lose(lost);
  t.same(await pause, lost);
});

t.test('the SDK is kept waiting for at most 20 s a call, however long DPS asks for', async (t) => {
  let time = 0;
  const waits: number[] = [];
  const clock: Clock = {
    now: () => time,
    monotonic: () => time,
    async wait(ms) {
      waits.push(ms);
      time += ms;
    },
  };
  let asked = 0;
  const inner = {
    registrationRequest: (_request, callback) => callback(undefined, { operationId: 'op', status: 'assigning' }, undefined, 45_000),
    queryOperationStatus: (_request, operationId, callback) => callback(undefined, { operationId, status: 'assigned' }, undefined, ++asked),
  } as Partial<SdkTransport> as SdkTransport;
  const transport = new PollingTransport(inner, clock);
  const request = { idScope: '0ne00000A1B', provisioningHost: 'localhost' };
  const call = (
    start: (callback: Parameters<SdkTransport['registrationRequest']>[1]) => void,
  ): Promise<[string | undefined, number | undefined]> =>
    new Promise((resolve) => start((_error, result, _response, interval) => resolve([result?.status, interval])));
  const poll = () => call((callback) => transport.queryOperationStatus(request, 'op', callback));

  t.same(await call((callback) => transport.registrationRequest(request, callback)), ['assigning', 0]);
  t.same(
    [await poll(), await poll(), await poll()],
    [...Array(3)].map(() => ['assigning', 0]),
  );
  t.equal(asked, 0, 'nothing went over the wire yet');
  t.same(waits, [20_000, 20_000, 5_000]);
  t.same(await poll(), ['assigned', 0]);
  t.equal(asked, 1);
});

t.test('a call after the end is refused at once', async (t) => {
  const transport = new PollingTransport({} as SdkTransport, systemClock);
  transport.end();
  const request = { idScope: '0ne00000A1B', provisioningHost: 'localhost' };
  const error = await new Promise((resolve) => transport.queryOperationStatus(request, 'op', resolve));
  t.match(error, { message: /over/ });
});
