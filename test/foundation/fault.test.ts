import { Fault, isFault } from '@zerotouch/foundation/fault';
import fc from 'fast-check';
import t from 'tap';

class DoorFault extends Fault<'DOOR_SHUT'> {}

t.test('the message is one line made of everything that was told', async (t) => {
  const fault = new Fault('NVS_PAGE_CRC', 'the page header is damaged', {
    where: 'nvs at 0x10000',
    seen: 0xdead,
    expected: 'CRC 0x1234',
    remedy: 'burn the image again',
  });
  t.equal(fault.message, 'nvs at 0x10000: the page header is damaged; seen 57005; expected CRC 0x1234; burn the image again');
  t.equal(fault.code, 'NVS_PAGE_CRC');
});

t.test('what was not told is not in the message', async (t) => {
  const fault = new Fault('X', 'it broke');
  t.equal(fault.message, 'it broke');
  t.equal(fault.cause, undefined);
  t.notOk('cause' in fault, 'no cause is invented');
});

t.test('a subclass keeps its name, its code and its cause', async (t) => {
  const cause = new Error('underneath');
  const fault = new DoorFault('DOOR_SHUT', 'shut', { cause });
  t.equal(fault.name, 'DoorFault');
  t.equal(fault.cause, cause);
  t.ok(fault instanceof Fault);
});

t.test('the message never has a second line, whatever was seen', async (t) => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.string({ unit: fc.constantFrom('a', '\n', '\r', ' ') }),
      (seen, where, remedy) => {
        const { message } = new Fault('X', 'summary\nof two lines', { seen, where, remedy });
        return !/[\r\n]/.test(message);
      },
    ),
  );
  t.pass('held for every sample');
});

t.test('a long value is cut short', async (t) => {
  const { message } = new Fault('X', 'too much', { seen: 'a'.repeat(10_000) });
  t.ok(message.length < 200, message);
});

t.test('a fault is known by its shape, so that a copy of the class from elsewhere counts', async (t) => {
  const foreign = Object.assign(new Error('foreign'), {
    code: 'X',
    where: undefined,
    seen: undefined,
    expected: undefined,
    remedy: undefined,
  });
  t.ok(isFault(new Fault('X', 'own')));
  t.ok(isFault(foreign));
  t.notOk(isFault(Object.assign(new Error('system'), { code: 'ENOENT' })));
  t.notOk(isFault({ code: 'X', remedy: '', expected: '' }));
  t.notOk(isFault(undefined));
});
