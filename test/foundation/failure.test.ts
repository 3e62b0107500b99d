import { EXIT, exitCodeOf, explain, inFile } from '@zerotouch/foundation/command/failure';
import { createOutput } from '@zerotouch/foundation/command/output';
import { Fault } from '@zerotouch/foundation/fault';
import t from 'tap';

const system = (code: string) => Object.assign(new Error(`${code}: it went wrong`), { code });

t.test('every kind of failure has its exit code', async (t) => {
  const cases: [error: unknown, code: number][] = [
    [new Fault('SPEC_INVALID', 'a field is wrong'), EXIT.badInput],
    [new Fault('READ_BACK', 'the image on disk is another'), EXIT.failed],
    [new Fault('BOOT_REFUSED', 'not let in'), EXIT.failed],
    [new Fault('BOOT_UNREACHABLE', 'no answer'), EXIT.unreachable],
    [system('ECONNREFUSED'), EXIT.unreachable],
    [system('ENOTFOUND'), EXIT.unreachable],
    [system('ENOENT'), EXIT.badInput],
    [system('EADDRINUSE'), EXIT.badInput],
    [system('EBADF'), EXIT.failed],
    [new TypeError('a defect of ours'), EXIT.failed],
    ['a string', EXIT.failed],
    [undefined, EXIT.failed],
  ];
  for (const [error, code] of cases) t.equal(exitCodeOf(error), code, String(error));
});

t.test('an explanation is one line, whatever the error says', async (t) => {
  for (const error of [new Error('two\n  lines\r\n'), new Error(''), 'text\nof two', undefined, new Fault('X', 'a\nb')]) {
    t.match(explain('zerotouch', error, false), /^zerotouch: [^\r\n]+$/);
  }
  t.equal(explain('zerotouch', new Error('two\n  lines'), false), 'zerotouch: two lines');
});

t.test('--debug adds the stack and the causes', async (t) => {
  const error = new Fault('X', 'above', { cause: new Error('beneath') });
  t.match(explain('zerotouch', error, true), /^zerotouch: above\nFault: above\n {4}at .*\ncaused by: Error: beneath\n {4}at /s);
  t.equal(explain('zerotouch', 'no error', true), 'zerotouch: no error');
});

t.test('a fault in a file names the file, and keeps its code; other errors pass as they are', async (t) => {
  const inner = new Fault('NVS_PAGE_CRC', 'damaged', { where: 'nvs' });
  const fail = (error: Error) => () => {
    throw error;
  };
  await t.rejects(inFile('a.bin', fail(inner)), { code: 'NVS_PAGE_CRC', message: 'a.bin: nvs: damaged', cause: inner });
  const defect = new TypeError('ours');
  t.equal(await inFile('a.bin', fail(defect)).catch((error: unknown) => error), defect);
  t.equal(await inFile('a.bin', () => 7), 7);
});

t.test('programs read JSON, people read words', async (t) => {
  const written: string[] = [];
  const write = (text: string) => void written.push(text);
  const programs = createOutput(true, write);
  programs.event({ a: 'two\nlines' }, 'words');
  programs.result({ b: 2 });
  t.strictSame(written.splice(0), ['{"a":"two\\nlines"}\n', '{"b":2}\n']);
  const people = createOutput(false, write);
  people.event({ a: 1 });
  people.result({ b: 2 }, 'done');
  t.strictSame(written, ['done\n'], 'what has no words is not shown');
});
