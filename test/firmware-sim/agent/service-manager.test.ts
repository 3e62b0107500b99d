import { type Courier, ServiceManager, systemdCourier, watchdogMs } from '@zerotouch/firmware-sim/agent/service-manager';
import t from 'tap';

/** A courier whose errands end when they are told to. */
function slowCourier(): { courier: Courier; sent: (readonly string[])[]; arrive: (error?: Error) => void } {
  const sent: (readonly string[])[] = [];
  let end: ((error?: Error) => void) | undefined;
  return {
    sent,
    courier: (assignments) =>
      new Promise((resolve, reject) => {
        sent.push(assignments);
        end = (error) => (error === undefined ? resolve() : reject(error));
      }),
    arrive: (error) => end?.(error),
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

t.test('one errand at a time, and of each kind the last', async (t) => {
  const { courier, sent, arrive } = slowCourier();
  const manager = new ServiceManager(courier, () => t.fail('nothing fails'));
  const all = manager.tell({ READY: 1, STATUS: 'locating' });
  void manager.tell({ STATUS: 'connecting' });
  void manager.tell({ WATCHDOG: 1 });
  void manager.tell({ RELOADING: 1, MONOTONIC_USEC: '7' });
  void manager.tell({ STOPPING: 1, STATUS: 'two\nlines' });
  t.strictSame(sent, [['READY=1', 'STATUS=locating']]);
  arrive();
  await settled();
  t.strictSame(sent[1], ['STATUS=two lines', 'WATCHDOG=1', 'STOPPING=1'], 'a service that stops neither reloads nor is ready');
  arrive();
  await all;
  t.equal(sent.length, 2);
});

t.test('a device goes on without its service manager', async (t) => {
  const { courier, arrive } = slowCourier();
  const reasons: string[] = [];
  const manager = new ServiceManager(courier, (reason) => reasons.push(reason));
  const told = manager.tell({ READY: 1 });
  arrive(new Error('no such socket'));
  await told;
  t.strictSame(reasons, ['no such socket']);
  await new ServiceManager(undefined, () => t.fail('nobody to tell')).tell({ READY: 1 });
  const lost: string[] = [];
  await new ServiceManager(systemdCourier({ NOTIFY_SOCKET: '/nowhere' }, 'no-such-program'), (reason) => lost.push(reason)).tell({
    READY: 1,
  });
  t.match(lost, [/no-such-program/]);
  t.equal(systemdCourier({}), undefined);
});

t.test('the watchdog that systemd set', async (t) => {
  t.equal(watchdogMs({ WATCHDOG_USEC: '60000000' }), 60_000);
  t.equal(watchdogMs({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 7), 60_000);
  t.equal(watchdogMs({ WATCHDOG_USEC: '60000000', WATCHDOG_PID: '7' }, 8), undefined);
  for (const WATCHDOG_USEC of [undefined, '', '0', 'soon']) t.equal(watchdogMs({ WATCHDOG_USEC }), undefined);
});
